"""What leaves the school on paper: tagged PDFs (PDF/UA-1, and PDF/A-2a to be kept).

``press`` prints a layout (the ``*.typ`` files here, all upon ``house.typ``) with the data of one
pupil; ``binding`` puts many such files into one. Neither knows the database.
"""
