"""Pure functions over outcomes: equivalence, performance, ranking."""
