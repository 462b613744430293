"""What a service remembers: of the database that it has now, and within bounds."""

from __future__ import annotations

from pathlib import Path

from api.asking import Choices, ask
from api.serving.memory import Memory
from api.serving.question import Question
from api.serving.resolution import Answer, Resolution
from crawler.settings import read_index_settings
from db.catalog import open_catalog
from db.writer import publish
from resolver.names import normalize_project
from tests.db.examples import INDEX, page

ALPHA = (INDEX, normalize_project("alpha"))


def question() -> Question:
    settings = read_index_settings(index_url=INDEX, environ={})
    asked = ask(
        texts={"requirements.txt": "alpha"},
        constraint_texts={},
        choices=Choices(),
        read=None,
        environ={},
        settings=settings,
    )
    return Question(request=asked.request, generation=1)


def test_a_database_that_comes_back_as_another_one_has_answers_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite3"
    answered = Resolution(id="a" * 64, request={}, lock="alpha 1.0", problem=None)
    with open_catalog(file) as catalog:
        publish(catalog, [page("alpha", "alpha-1.0-py3-none-any.whl")])
        with Memory(catalog, most=10, max_age=600) as memory:
            memory.keep(question(), Answer(resolution=answered, generation=1, reads=[ALPHA]))
            assert memory.recall(question()) == answered
            catalog.close()  # the connections are lost, and what was there with them
            file.unlink()
            with open_catalog(file) as other:
                publish(other, [page("alpha", "alpha-2.0-py3-none-any.whl")])
            assert memory.recall(question()) is None
            assert memory.load(answered.id) == answered, "what a permanent link names is the same anywhere"
    with open_catalog(file) as other:
        assert other.connection.rows("SELECT id FROM resolution") == []


def test_empty_forms_take_room_as_well(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "catalog.sqlite3") as catalog, Memory(catalog, most=10, max_age=600) as memory:
        for number in range(200_000):
            memory.keep_form(f"{number:064}", "requirements", None, None, b"")
        assert memory.form(f"{0:064}", "requirements", None, None) is None, "the oldest had to go"
        assert memory.form(f"{199_999:064}", "requirements", None, None) == b""
