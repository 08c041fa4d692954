from pathlib import Path

from utilitarian_operator.api.generated.reference_page import reference

ROOT = Path(__file__).resolve().parents[4]


def test_the_reference_is_what_the_models_say() -> None:
    path = ROOT / "docs" / "resource.md"
    assert path.read_text() == reference(), (
        f"run `python -m utilitarian_operator.api.generated.reference_page > {path.name}` in docs/"
    )
