"""The generated county of Northshire: young people, their lives, what agencies say of them, and how they get it wrong.

Nobody here exists: names are drawn from lists, identifiers are of the dummy ranges, councils are invented.
"""
