"""Tables in Markdown."""

from eval.reporting.markdown import markdown_table, table_row, table_rule


def test_a_table_aligns_numbers_at_the_right() -> None:
    assert markdown_table(["", "PSNR", "SSIM"], [["a", "21.0", "0.9"], ("b", "", "–")]).splitlines() == [
        "|  | PSNR | SSIM |",
        "|---|---:|---:|",
        "| a | 21.0 | 0.9 |",
        "| b |  | – |",
    ]


def test_texts_are_aligned_at_the_left_and_a_table_may_be_empty() -> None:
    assert markdown_table(["a", "b"], [], numbers=False) == "| a | b |\n|---|---|"
    assert (table_row(["a"]), table_rule(1)) == ("| a |", "|---|")
