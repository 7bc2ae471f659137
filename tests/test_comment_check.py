"""What a teacher is asked to look at again in a comment, and what not."""

import pytest

from grading.comment_check import Written, warnings

CLASS = {
    "Ada": ("Ada", "Abbott", "she"),
    "Ben": ("Ben", "Baker", "he"),
    "Cem": ("Çem", "Can", "they"),
    "Zoë": ("Zoë Marie", "Zeller", ""),
    "Will": ("Will", "Wood", "he"),
    "Grace": ("Grace", "Gray", "she"),
    "May": ("May", "Moon", "she"),
    "Jo": ("Jo", "Jones", "she"),
    "Anne-Marie": ("Anne-Marie", "Adams", "she"),
}


def said_of(pupil: str, comment: str) -> list[str]:
    """Return what is said of one comment when all others of the class are blank."""
    found = warnings(
        Written(key, *names, comment if key == pupil else "") for key, names in CLASS.items()
    )
    assert not found.keys() - {pupil}
    return found.get(pupil, [])


def test_a_comment_as_it_should_be_raises_no_question():
    assert warnings([]) == {}
    assert said_of("Ada", "Ada works hard, and her essays show it. She may aim higher.") == []
    assert said_of("Ada", "") == []
    assert said_of("Ada", " \n ") == []


# Another pupil's name. ----------------------------------------------------------------------------


def test_a_comment_that_names_another_pupil_alone_is_asked_about():
    asked = ["It names Ben, and not Ada. Is it about the right pupil?"]
    assert said_of("Ada", "Ben works hard.") == asked
    assert said_of("Ada", "A good term for Ben’s essays.") == asked
    assert said_of("Ada", "A good term for Ben's essays.") == asked
    assert said_of("Ada", "a good term, ben!") == asked
    assert said_of("Ada", "BEN WORKS HARD.") == asked
    both = "It names Ben and Marie, and not Ada. Is it about the right pupil?"
    assert said_of("Ada", "Marie helps Ben.") == [both]


@pytest.mark.parametrize("typed", ["Zoë", "Zoe", "zoe", "Zoe\u0308", "ZOË’S"])
def test_a_name_is_found_without_its_accents(typed):
    assert said_of("Ben", f"A lively term: {typed} asks the best questions.") == [
        "It names Zoë, and not Ben. Is it about the right pupil?"
    ]
    assert said_of("Zoë", f"Ben and {typed} worked together.") == []


def test_a_comment_that_names_its_own_pupil_too_is_fine():
    assert said_of("Ada", "Ada works well with Ben.") == []
    assert said_of("Ada", "Miss Abbott works well with Ben.") == []
    assert said_of("Anne-Marie", "Anne works well with Ben.") == []
    assert said_of("Jo", "Jo works well with Ben.") == []


def test_a_part_of_a_word_is_no_name():
    assert said_of("Ada", "The benefit of reading; Bengali; Ben-like.") == []
    assert said_of("Ada", "A solo in Mariella’s choir.") == []


def test_a_very_short_name_is_not_looked_for():
    assert said_of("Ada", "A jo of all trades, says Jo.") == []


@pytest.mark.parametrize(
    "comment",
    [
        "She will improve with grace, and may do more.",
        "Will she improve? May be. Grace in defeat!",
        "Effort: Will needs to grow.\nMay be better.\n- Grace under pressure.",
        "SHE WILL IMPROVE. IT MAY TAKE TIME.",
        "Her mock exam in May went well; since May she is calm.",
        "She thanks Mr. Will, and Mrs Grace, for their help.",
    ],
)
def test_a_name_that_is_a_word_too_is_none_where_it_is_a_word(comment):
    assert said_of("Ada", comment) == []


def test_a_name_that_is_a_word_too_is_a_name_with_a_capital_inside_a_sentence():
    names = "It names {}, and not Ada. Is it about the right pupil?"
    assert said_of("Ada", "This term Will worked hard.") == [names.format("Will")]
    assert said_of("Ada", "A term of effort: we thank Grace.") == [names.format("Grace")]
    assert said_of("Ada", "It is good to see May here.") == [names.format("May")]


def test_the_word_does_not_stand_for_its_own_pupil():
    asked = ["It names Ben, and not Will. Is it about the right pupil?"]
    assert said_of("Will", "Ben will go far.") == asked
    assert said_of("Will", "Will helps Ben.") == []


def test_two_pupils_of_one_name_are_not_asked_about():
    found = warnings(
        [Written("1", "Ada", "Abbott", "", "Ada works hard."), Written("2", "Ada", "Ba", "", "")]
    )
    assert found == {}


def test_a_pupil_without_a_given_name_is_asked_about_too():
    found = warnings([Written("1", "", "", "", "Ben!"), Written("2", "Ben", "Ba", "", "")])
    assert found == {"1": ["It names Ben. Is it about the right pupil?"]}


# What a template left. ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left",
    [
        *"{name} {Their} [Name] <Name> XXX xxxx ____ TODO TBC he/she his/her s/he (s)he".split(),  # noqa: SIM905 - a list of marks
        "He/She/They",
        "[first name]",
        "{the topic}",
    ],
)
def test_what_a_template_left_is_asked_about(left):
    assert said_of("Ada", f"Ada did well, and {left} knows.") == [
        f"“{left}” still stands in it. Put there what belongs there."
    ]


@pytest.mark.parametrize(
    "comment",
    ["See [1].", "2 < 3 > 1", "Chapter XX, xx.", "A snake_case name.", "Maxxxed? {", "1/2, and/or"],
)
def test_what_only_looks_like_it_is_not(comment):
    assert said_of("Ada", comment) == []


# Pronouns. ----------------------------------------------------------------------------------------


def test_pronouns_other_than_the_record_s_are_asked_about():
    assert said_of("Ada", "He’s lively. His marks please HIM.") == [
        "It says “he”, “him” and “his”, and the pupil’s record says “she”."
    ]
    assert said_of("Ben", "Ben did HERSELF proud.") == [
        "It says “herself”, and the pupil’s record says “he”."
    ]
    assert said_of("Cem", "She tried, and he too.") == [
        "It says “she”, and the pupil’s record says “they”.",
        "It says “he”, and the pupil’s record says “they”.",
    ]


def test_the_neutral_pronouns_and_those_that_nobody_knows_are_not():
    assert said_of("Ada", "They do their best, and we thank them.") == []
    assert said_of("Zoë", "She does her best; he does his.") == []
    assert said_of("Ada", "The theme of heroes: here and there.") == []


# The same comment. --------------------------------------------------------------------------------


def test_the_same_comment_at_three_pupils_is_asked_about():
    def said(*comments: str) -> dict[str, list[str]]:
        return warnings(Written(str(n), "", "", "", each) for n, each in enumerate(comments))

    same = ["3 pupils of the class have this same comment."]
    assert said("Good work.", "Good work.", "Fair work.") == {}
    assert said("Good work.", " good  work.\n", "Fair.", "GOOD WORK.") == {
        "0": same,
        "1": same,
        "3": same,
    }
    assert said("", "", "", " ") == {}


def test_all_that_is_odd_about_a_comment_is_said():
    assert len(said_of("Ada", "Ben did well: he knows [topic].")) == 3
