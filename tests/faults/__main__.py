"""Every fault that the project is tested with: `python tests/faults`, or with words for those whose name has one.

It makes all damages itself, in scratch folders, in some ten minutes; where the user may not mount a file system or drop
privileges, the faults that need it say that they were not tried. Exit code 1 where anything was silent, showed a
traceback or lost what had finished.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from faults import command_line, data, results, sweep, table

if __name__ == "__main__":
    table.main(sweep.FAULTS | data.FAULTS | results.FAULTS | command_line.FAULTS)
