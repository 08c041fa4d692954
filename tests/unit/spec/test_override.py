from utilitarian_operator.core.spec.override import PREFIX, overrides


def test_without_an_end_it_is_refused() -> None:
    found, (problem,) = overrides({f"{PREFIX}work": "5"})
    assert not found
    assert "with an end" in problem.remedy
