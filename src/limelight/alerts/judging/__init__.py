"""What rules share: the numbers they are given, what they say, and how that becomes alerts.

Room: below the rules. Loads nothing by itself.
"""
