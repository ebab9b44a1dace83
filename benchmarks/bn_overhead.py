"""What batch normalization adds to an epoch of Schilling's networks: claim S8, on a machine at rest.

    python benchmarks/bn_overhead.py [--out DIR] [--json FILE]

Each measurement is a run of the study `bn_effects`: in a process of one thread, an epoch of the network without
normalization, with `BatchNormLayer` and with Keras's own layer, in turn, and the ratios within a round count. The runs
come one after the other, and their records lie where the study looks for them, so that it measures none of them again;
interrupted, the same command goes on. Half precision is measured where the processor has it.
"""

from pathlib import Path

from figures import command_line, figure, write

from bnkeras import sweep
from bnkeras.evidence.report import text
from bnkeras.studies import bn_effects
from bnkeras.studies.bn_effects.effects import OVERHEAD, overheads
from bnkeras.studies.bn_effects.figures import beside_table_of_times


def figures(tables):
    """Per batch size and dtype, what each layer adds to an epoch of the CNN; ours is to stay below the thesis's."""
    medians = overheads(tables).groupby(level=["network", "dtype", "layer", "batch_size"]).median()
    for (network, dtype, layer, size), value in medians.items():
        ours = layer == "bn"
        what = f"{network}, batch {size}, {dtype}: what {'BatchNormLayer' if ours else 'the layer of Keras'} adds"
        yield figure(what, value, "%", f"<= {OVERHEAD[size]:g}" if ours and network == "CNN" else "")


def main():
    """Time what is not recorded yet, print the table beside the thesis's."""
    parser = command_line(__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/runs"), metavar="DIR", help="default: %(default)s")
    arguments = parser.parse_args()
    runs = [run for run in bn_effects.runs("laptop") if run.rule == "timed"]
    records = sweep.run_all(runs, jobs=1, out=arguments.out)
    tables = sweep.tables(records, on_failed="raise")
    print(text(beside_table_of_times(tables)))
    rounds = tables["overhead"].drop(columns=["source"]).to_dict("records")
    write(arguments.json, figures(tables), rounds, records[0]["environment"])


if __name__ == "__main__":
    main()
