"""From the tables of a study to a verdict for each claim: effects, intervals, published results, words."""
