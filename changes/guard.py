"""The guard of tracked tables: the database refuses writes that do not come from the projector.

It guards against accident. The role that serves could switch the setting on; ``verify`` finds
what was written that way.
"""

import pgtrigger

PROJECTOR_SETTING = "schoolmarks.projector"

written_by_projector = pgtrigger.Trigger(
    name="written_by_projector",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
    condition=pgtrigger.Condition(
        f"current_setting('{PROJECTOR_SETTING}', true) is distinct from 'on'"
    ),
    func=pgtrigger.Func(
        "raise exception '% is written by the projector alone; propose a change instead', "
        "tg_table_name using errcode = 'insufficient_privilege';"
    ),
)
