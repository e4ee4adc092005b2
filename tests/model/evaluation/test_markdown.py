"""Tables that stay tables whatever their names hold."""

from same_model.evaluation.markdown import markdown_table


def test_names_with_the_sign_of_columns_stay_in_one() -> None:
    table = markdown_table(["action", "a|b"], [["sit|stand", "12.0"]])
    assert table.splitlines() == [
        r"| action | a\|b |",
        "|---|---|",
        r"| sit\|stand | 12.0 |",
    ]
