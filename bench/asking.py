"""Questions for a running service, a client with one open connection, and the answers that are right."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from api.asking import Choices, ask
from api.notices import Notices
from api.service import CatalogChoices, lock_request
from tests.oracle.resolvers import Setting

__all__ = ["Client", "Question", "expect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One set of requirements, and a constraint that changes nothing but makes it another question."""

    name: str
    requirements: tuple[str, ...]
    constraint: str
    setting: Setting

    def to_json(self) -> bytes:
        """Return the body of ``POST /resolve``."""
        value = {
            "requirements": "".join(f"{line}\n" for line in self.requirements),
            "constraints": f"{self.constraint}\n",
            "python": self.setting.python,
            "platforms": [self.setting.system],
            "prefer": "newest",
        }
        return json.dumps(value).encode()

    def lock(self, db: Path) -> bytes:
        """Return what ``mach lock --offline`` writes."""
        choices = Choices(
            pythons=(self.setting.python,),
            systems=(self.setting.system,),
            prefer="newest",
            index_url=self.setting.index,
        )
        asked = ask(
            texts={"requirements.txt": "".join(f"{line}\n" for line in self.requirements)},
            constraint_texts={"constraints.txt": f"{self.constraint}\n"},
            choices=choices,
            read=None,
            environ={},
        )
        return lock_request(asked, CatalogChoices(db=str(db), offline=True), Notices()).text.encode()


class Client:
    """Asks a service over one connection, which stays open."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        assert where.hostname is not None
        self._connection = http.client.HTTPConnection(where.hostname, where.port, timeout=120)

    def ask(self, question: Question) -> bytes | None:
        """Return the lock that answers *question*; None where there is another answer or none."""
        try:
            self._connection.request(
                "POST", "/resolve", body=question.to_json(), headers={"Content-Type": "application/json"}
            )
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None
        return body if response.status == 200 else None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def expect(questions: Iterable[Question], known: dict[Question, bytes], db: Path) -> None:
    """Put the right answers to *questions* into *known*.

    :param db: a catalog that nobody writes to.
    """
    for question in questions:
        if question not in known:
            known[question] = question.lock(db)
