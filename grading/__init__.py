"""Marks: terms, courses, sections, enrolments, scales, corrections, and the mark sheet."""
