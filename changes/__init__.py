"""The ledger: the life of a change.

1. A person types. ``propose`` writes a ChangeSet (who, from which address, when) and one Change
   per cell (entity type, entity id, field), numbered 1, 2, 3 ... per author and cell.
2. The change is provisional. ``overlay`` shows it to its author; nobody else's page knows it.
3. The author types again: the higher number is open, the lower one superseded. Or withdraws.
4. The office approves (``review``): the change gets the next position of the school.
   Or declines it; ``reopen`` proposes it again.
5. ``projector`` writes the authoritative tables: the value of a cell is the effective change
   (approved, not excluded) with the highest position. Nobody else writes them.
6. What the decision moved leaves its effects once: corrections, history, messages.
7. ``revert`` excludes changes; the cells fall back to what remains, honest later values stay.
8. ``reinstate`` lifts an exclusion; the original positions count again.

Nothing is ever edited or deleted, and ``projector.verify`` proves that the tables are the fold of
the ledger. ``deciding`` holds what every act of the office has in common: the school's lock,
the number, the positions, the digest; ``delivering`` enters what is too much to be in memory at
once, as one change set and one decision.
"""
