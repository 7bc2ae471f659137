"""A mark sheet as a file: ``download`` writes it, ``table`` opens what comes back, which may be
anything, and ``upload`` says what would be saved of it, before anything is.
"""
