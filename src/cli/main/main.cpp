#include "cli/command.h"

int main(int argc, char** argv) { return ocelli::cli::run_program(argc, argv); }
