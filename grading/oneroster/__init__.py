"""Reading a school's roster from OneRoster, the exchange format of school information systems.

A OneRoster delivery is a flat folder or zip of CSV files in UTF-8. `manifest.csv` says which
version it is and, for every other file, whether it is absent, `bulk` (the complete current set) or
`delta` (changes only). Records name each other by `sourcedId`, the only key; all else is what
people see.

How a delivery is read, a module a step:

    reader.py       read_roster(path): the steps below, in this order
    archive.py      opens the folder or zip; refuses what is too big before a byte of it is unpacked
    manifest.py     which files are to be read, and whether the delivery is one that can be read
    records.py      the records of one CSV file, each with the line it starts in
    table.py        those records as rows, by sourcedId
    layout.py       which columns a file has, and how a cell is read as text, date, number ...
    rows.py         what a row means: for each file a frozen dataclass, and what reads it
    people_roles.py what people are, of version 1.2
    completing.py   a delta laid over what the school holds already, which known.py reads
    check.py        what no file can tell alone: references to nothing, impossible marks ...
    roster.py       the sound whole
    finals.py       which line item of a class holds its grade
    causes.py       which missing record several problems come from
    problems.py     what is wrong, in words for the person who has to fix it

Either all of a delivery is sound and `read_roster` returns a `Roster`, or it raises `BadRoster`
with every problem found, each with file, line, column and reason. Nothing in between: half a roster
is worse than none.

How it goes into the ledger:

    load.py      load(roster): all schools or none, in one transaction
    split.py     the roster cut by school
    schools.py   which school of this installation that is, and who may import into it
    people.py    teachers as users without a password
    scales.py    a grading scale for each pair of bounds, or the very one that a file says
    wanted.py    what the roster wants, record by record, in the ledger's words
    imported.py  what imports have said of the school so far
    matching.py  which records here it means
    removal.py   what it takes away, and when somebody has to say that this is meant
    compare.py   what it changes, compared with what the last import said; part by part
    writing.py   the change set, and the line of what the ledger refuses
    told.py      what was changed, record by record in words
    report.py    what was done, in words

How a school goes out:

    export.py          the files, in a folder or a zip; all of it or a delta
    headers.py         their columns, and what our own columns say besides the standard's
    outgoing.py        what the rows say of the school as it is
    outgoing_delta.py  what they say of what has changed since an instant
    scale_facts.py     a grading scale in a cell

Read today: bulk and delta deliveries of versions 1.1 and 1.2. Written: version 1.1. Source of the
rules: 1EdTech OneRoster 1.1 and 1.2 CSV.
"""
