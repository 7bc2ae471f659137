"""A made-up school for the demo: the same people, classes and marks each time, by a seed; the
dates lie around the day on which it is made. Everything goes through the ledger's own doors.
"""
