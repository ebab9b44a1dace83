"""Seeds of the headline runs, and how many a claim needs until its verdict is settled."""

FIRST, BLOCK, CAP = 100, 10, 60
"""First seed of the headlines, seeds added at a time, and the most seeds of a claim."""


def headline_seeds(claims, seeds=None):
    """Return the seeds of runs that some claims share: as many as the claim that wants the most of them.

    Args:
        claims: `Claim`s, or their ids.
        seeds: Number of seeds by id. Defaults to `None`, one block for each.
    """
    ids = [getattr(claim, "id", claim) for claim in claims]
    return range(FIRST, FIRST + max([(seeds or {}).get(id_, BLOCK) for id_ in ids], default=BLOCK))


def more_seeds(verdicts, seeds, cap=CAP):
    """Return the number of seeds by claim after another block for each that is not settled, or `None` if none is.

    A headline is settled when its interval's half-width is at most half of its smallest effect that matters: then it
    cannot hold both 0 and that effect. Only the width is looked at.

    Args:
        verdicts: Table of `claims.judge`.
        seeds: Number of seeds by id, as they were.
        cap: The most seeds of a claim. Defaults to `CAP`.
    """
    result = dict(seeds)
    for row in verdicts.itertuples():
        count = seeds.get(row.claim.id, BLOCK)
        if row.measure is not None and not row.half_width <= row.measure.smallest / 2 and count < cap:
            result[row.claim.id] = min(count + BLOCK, cap)
    return result if result != seeds else None
