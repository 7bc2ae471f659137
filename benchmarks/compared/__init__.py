"""The same table of marks in plain Django and under four libraries that keep its history.

A Django project of its own, run by the Python of .bench/venv. It keeps its tables in a schema of
its own; there are no schools, no row-level security, no approval.
"""
