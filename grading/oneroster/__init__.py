"""Reading a school's roster from OneRoster, the exchange format of school information systems.

A OneRoster delivery is a flat folder or zip of CSV files in UTF-8. `manifest.csv` says which
version it is and, for every other file, whether it is absent, `bulk` (the complete current set) or
`delta` (changes only). Records name each other by `sourcedId`, the only key; all else is what
people see.

How a delivery is read, a module a step; nothing of it knows the database:

    reader.py    read_roster(path): the steps below, in this order
    archive.py   opens the folder or zip; refuses what is too big before a byte of it is unpacked
    manifest.py  which files are to be read, and whether the delivery is one that can be read
    records.py   the records of one CSV file, each with the line it starts in
    table.py     those records as rows, by sourcedId
    layout.py    which columns a file has, and how a cell is read as text, date, number ...
    rows.py      what a row means: for each file a frozen dataclass and the function that reads it
    check.py     what no file can tell alone: references to nothing, impossible marks ...
    roster.py    the sound whole
    finals.py    which line item of a class holds its grade
    problems.py  what is wrong, in words for the person who has to fix it

Either all of a delivery is sound and `read_roster` returns a `Roster`, or it raises `BadRoster`
with every problem found, each with file, line, column and reason. Nothing in between: half a roster
is worse than none.

How it goes into the ledger:

    load.py      load(roster): all schools or none, in one transaction
    split.py     the roster cut by school
    schools.py   which school of this installation that is, and who may import into it
    people.py    teachers as users without a password
    scales.py    a grading scale for each pair of bounds
    wanted.py    what the roster wants, record by record, in the ledger's words
    matching.py  which records here it means
    compare.py   what it changes, compared with what the last import said
    writing.py   the change set, and the line of what the ledger refuses
    report.py    what was done, in words

Read today: bulk deliveries of version 1.1. Source of the rules: 1EdTech OneRoster 1.1 CSV.
"""
