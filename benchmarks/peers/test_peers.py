"""python3 -m unittest discover benchmarks/peers: what is read from output, ratios and verdicts."""

import json
import os
import sys
import tempfile
import unittest
from unittest import mock

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


class OneTile(unittest.TestCase):
    LOG = ("image slice encoded in 2000 ms\nimage decoded (batch 1/1) in 400 ms\n"
           "image slice encoded in 1000 ms\nimage decoded (batch 1/1) in 200 ms\n")

    def picture(self, log, **more):
        with mock.patch.object(programs, "execute", return_value=(log, "", 9.0, 1.0, 5.0)):
            peer = programs.LlamaCpp("bench", "cli", "text.gguf", "mmproj.gguf")
            return peer.picture(programs.Settings(1, **more))

    def test_the_second_slice_is_taken_off(self):
        run = self.picture(self.LOG, tiles=1, one_tile=True)
        self.assertEqual(run.values["tile"], 1.5)
        self.assertAlmostEqual(run.values["first_token"], 9 - 1.5 - 0.3)

    def test_not_of_other_pictures(self):
        self.assertEqual(self.picture(self.LOG, tiles=2).values["first_token"], 9)
        with self.assertRaises(programs.ProgramError):
            self.picture(self.LOG, tiles=1)
        with self.assertRaises(programs.ProgramError):
            self.picture(self.LOG, tiles=2, one_tile=True)

    def test_times_of_lines(self):
        log = ("0.00.677.564 I encoding mtmd batch, n_chunks = 1 (done = 1, total = 5)\n"
               "0.02.302.257 I mtmd batch encoding done in 1625 ms\n"
               "0.02.468.257 I encoding mtmd batch, n_chunks = 1 (done = 3, total = 5)\n"
               "1.03.811.464 I mtmd batch encoding done in 1343 ms\n")
        self.assertEqual(len(programs.decode_seconds(log)), 1)
        self.assertAlmostEqual(programs.decode_seconds(log)[0], 0.166)

    def test_no_time_of_decoding(self):
        with self.assertRaises(programs.ProgramError):
            self.picture(self.LOG.replace("decoded", "seen"), tiles=1, one_tile=True)


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


def fake_program(folder, code):
    """A program of a few lines of Python; sys and json are there."""
    path = os.path.join(folder, "fake")
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o755)) as file:
        file.write(f"#!{sys.executable}\nimport json, sys\n{code}\n")
    return path


class TransformersPeer(unittest.TestCase):
    FIGURES = {"prefill": 650.0, "decode": 25.0, "tile": 1.5, "first_token": 8.0, "cpus": 0.93}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.called = os.path.join(folder.name, "called")
        python = fake_program(folder.name, f"json.dump(sys.argv[1:], open({self.called!r}, 'w'))\n"
                              f"print('a warning')\nprint({json.dumps(json.dumps(self.FIGURES))})")
        self.peer = programs.Transformers(python, "checkpoint", "bf16")
        self.settings = programs.Settings(2, 4, 16, "noise.png", 5, 320, 38)

    def arguments(self):
        with open(self.called, encoding="utf-8") as file:
            script, *rest = json.load(file)
        self.assertTrue(os.path.isfile(script), script)
        return dict(zip(rest[::2], rest[1::2]))

    def test_prompt_and_answer(self):
        run = self.peer.text_128(self.settings)
        self.assertEqual(run.values, {"prefill_128": 650.0, "decode": 25.0})
        self.assertEqual(run.notes["cpus"], 0.93)  # as the peer says, not of the whole process
        self.assertEqual(self.arguments(), {
            "--model": "checkpoint", "--dtype": "bf16", "--threads": "2", "--prompt": "128",
            "--generate": "16", "--repeat": "4"})

    def test_long_prompt(self):
        run = self.peer.text_512(self.settings)
        self.assertEqual(run.values["prefill_512"], 650.0)
        self.assertGreater(run.values["memory_text"], 1)
        self.assertEqual(self.arguments()["--prompt"], "512")

    def test_picture_of_as_many_tokens_as_ours(self):
        run = self.peer.picture(self.settings)
        self.assertEqual((run.values["tile"], run.values["first_token"]), (1.5, 8.0))
        arguments = self.arguments()
        self.assertEqual([arguments[f"--{name}"] for name in
                          ("tiles", "picture-tokens", "text-tokens")], ["5", "320", "38"])

    def test_metrics_are_those_of_the_steps(self):
        for step in ("picture", "text_128", "text_512"):
            values = getattr(self.peer, step)(self.settings).values
            self.assertEqual(set(values), set(compare.STEPS[step]))


class Plan(unittest.TestCase):
    def test_fields_of_settings(self):
        plan = {"tiles": 5, "picture_tokens": 320, "text_tokens": 38, "context": 8192}
        with tempfile.TemporaryDirectory() as folder:
            binary = fake_program(folder, f"print({json.dumps(json.dumps(plan))})")
            found = programs.Ocelli(binary, "model").plan(1024, 256, "What?")
        settings = programs.Settings(1, **found)
        self.assertEqual((settings.tiles, settings.picture_tokens, settings.text_tokens),
                         (5, 320, 38))


class Groups(unittest.TestCase):
    def options(self, *more):
        with mock.patch.object(sys, "argv", ["compare.py", "--ocelli", "o", "--model", "m", *more]):
            return compare.arguments()

    def test_transformers_in_16_bits_beside_all(self):
        options = self.options("--transformers", "python", "--bits", "16,8,4")
        groups = [(ours.label, [o.label for o in others])
                  for ours, others in compare.peers(options, None)]
        self.assertEqual(groups, [("ocelli as stored", ["transformers bf16", "transformers f32"]),
                                  ("ocelli q8", ["transformers bf16"]),
                                  ("ocelli q4", ["transformers bf16"])])

    def test_float32_beside_float32(self):
        options = self.options("--openvino", "folder", "--transformers", "python", "--bits", "32,16,8")
        groups = [(ours.label, ours.options, [o.label for o in others])
                  for ours, others in compare.peers(options, None)]
        self.assertEqual(groups, [
            ("ocelli exact", ["--exact"], ["OpenVINO f32", "transformers f32"]),
            ("ocelli as stored", [], ["OpenVINO bf16", "OpenVINO f32", "transformers bf16",
                                      "transformers f32"]),
            ("ocelli q8", ["--weights", "q8"], ["OpenVINO i8", "transformers bf16"])])

    def test_none_without_the_option(self):
        self.assertEqual(compare.peers(self.options("--gguf", "missing"), None), [])

    def test_both_are_measured_and_no_start(self):
        options = self.options("--transformers", "python", "--steps", "text_128,picture,load",
                               "--bits", "16")
        comparison = mock.Mock(options=options, groups=compare.peers(options, None))
        compare.Comparison.round(comparison)
        turns = [(program.label, step) for (program, step, _), _ in comparison.turn.call_args_list]
        self.assertEqual(turns, [(label, step) for step in ("text_128", "picture")
                                 for dtype in ("bf16", "f32")
                                 for label in ("ocelli as stored", f"transformers {dtype}")])


if __name__ == "__main__":
    unittest.main()
