"""python3 -m unittest discover benchmarks/peers: what is read from output, ratios and verdicts."""

import os
import tempfile
import unittest

import compare
import programs
import report


class Slices(unittest.TestCase):
    def test_one_line_per_slice(self):
        log = "image slice encoded in 2100 ms\nx\nimage slice encoded in 900 ms"
        self.assertEqual(programs.slice_seconds(log), [2.1, 0.9])

    def test_one_line_per_batch(self):
        log = ("encoding mtmd batch, n_chunks = 1 (done = 0, total = 5)\n"
               "mtmd batch encoding done in 1000 ms\n"
               "encoding mtmd batch, n_chunks = 4 (done = 1, total = 5)\n"
               "mtmd batch encoding done in 6000 ms\n")
        self.assertEqual(programs.slice_seconds(log), [1.0] + [1.5] * 4)

    def test_none(self):
        self.assertEqual(programs.slice_seconds("error"), [])


class Children(unittest.TestCase):
    def test_resources(self):
        text, _, seconds, share, memory = programs.execute(["sh", "-c", "echo out; sleep 0.2"])
        self.assertEqual(text, "out\n")
        self.assertGreaterEqual(seconds, 0.2)
        self.assertLess(share, 0.5)
        self.assertGreater(memory, 0.1)

    def test_failure_and_limit(self):
        with self.assertRaises(programs.ProgramError):
            programs.execute(["sh", "-c", "echo reason >&2; exit 3"])
        with self.assertRaises(programs.ProgramError):
            programs.execute(["sleep", "60"], limit=0.1)

    def test_tools_only_from_the_folder_given(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(programs.find_llama_cpp(folder))
            os.mkdir(os.path.join(folder, "bin"))
            for name in ("llama-bench", "llama-mtmd-cli"):
                path = os.path.join(folder, "bin", name)
                os.close(os.open(path, os.O_CREAT, 0o755))
            self.assertEqual(len(programs.find_llama_cpp(folder)), 2)


def row(metric, ours, peer):
    return report.Row(metric, 1, "ours", "peer", ours, peer)


class Verdicts(unittest.TestCase):
    def test_ratio_above_one_is_ours_ahead(self):
        self.assertEqual(row("tile", [1.0, 1.0], [2.0, 2.0]).ratio, 2.0)
        self.assertEqual(row("decode", [50, 50], [100, 100]).ratio, 0.5)
        self.assertEqual(row("tile", [1.0, 1.1], [2.0, 2.2]).verdict(), "ahead")
        self.assertEqual(row("decode", [80, 81], [100, 100]).verdict(), "behind")

    def test_spread_refuses(self):
        self.assertEqual(row("decode", [90, 130], [100, 100]).verdict(), "none (spread)")

    def test_half(self):
        self.assertEqual(row("decode", [40, 41], [100, 100]).verdict(), "below half")
        # Certainly above half, although neither ahead nor behind for certain.
        self.assertEqual(row("decode", [70, 120], [100, 100]).verdict(), "none (spread)")
        self.assertEqual(row("decode", [30, 100], [100, 100]).verdict(),
                         "none (spread); maybe below half")

    def test_too_few(self):
        self.assertEqual(row("decode", [], []).verdict(), "no quiet pair")
        self.assertEqual(row("decode", [2], [1]).verdict(), "one pair: none")
        self.assertIn("no quiet pair", report.table([row("decode", [], [])]))

    def test_strongest_peer(self):
        slow, fast = row("tile", [1.0], [3.0]), row("tile", [1.0], [2.0])
        self.assertIs(report.strongest([slow, fast, row("tile", [], [])]), fast)
        slow, fast = row("decode", [1.0], [2.0]), row("decode", [1.0], [3.0])
        self.assertIs(report.strongest([slow, fast]), fast)


class Pairs(unittest.TestCase):
    def run_of(self, program, speed, cpus, threads=1, probed=1.0):
        values = {"prefill_128": speed, "decode": speed}
        return {"program": program, "step": "text_128", "threads": threads, "cpus": cpus,
                "cpus_probed": probed, "values": values}

    def test_held_back_runs_are_dropped(self):
        log = [self.run_of("ocelli q8", 100, 0.95), self.run_of("llama.cpp Q8_0", 50, 0.95),
               self.run_of("ocelli q8", 100, 0.95), self.run_of("llama.cpp Q8_0", 10, 0.5)]
        row = compare.pairs(log, 0.9, False)[0]
        self.assertEqual((row.ours, row.peer, row.dropped), ([100], [50], 1))
        row = compare.pairs(log, 0.9, True)[0]
        self.assertEqual(row.dropped, 0)
        self.assertAlmostEqual(row.peer[1], 20)  # 10 per second with half a CPU

    def test_two_threads_by_the_probe(self):
        log = [self.run_of("ocelli q8", 100, 1.9, 2, 1.9),
               self.run_of("llama.cpp", 50, 1.9, 2, 1.2)]
        row = compare.pairs(log, 0.9, True)[0]
        self.assertEqual((row.ours, row.dropped), ([], 1))

    def test_only_neighbours_of_one_kind(self):
        log = [self.run_of("ocelli", 1, 1), self.run_of("ocelli q8", 1, 1),
               self.run_of("llama.cpp Q8_0", 1, 1), self.run_of("llama.cpp Q8_0", 1, 1)]
        self.assertEqual([r.ours_label for r in compare.pairs(log, 0.9, False)], ["ocelli q8"] * 2)


if __name__ == "__main__":
    unittest.main()
