"""From a body to a question: what is asked for, of which state of the catalog, within the operator's limits."""

from __future__ import annotations

from api.asking import ask
from api.notices import Notices
from api.patch_versions import crawled_patches, known_sets
from api.service import find_snapshot
from api.serving.question import Question
from api.serving.resolution import Resolution
from resolver.errors import InputError

from .bodies import ResolveBody
from .clients import Client
from .state import State

__all__ = ["make_question", "take_question"]


def take_question(body: ResolveBody, state: State, client: Client) -> tuple[Question, Resolution | None]:
    """Return what *body* asks, and what was answered to that before: both wait for the catalog, once for a thread.

    :raises MachError: as :func:`make_question` and :meth:`api.serving.memory.Memory.recall`.
    """
    question = make_question(body, state, client)
    return question, state.answers.memory.recall(question)


def make_question(body: ResolveBody, state: State, client: Client) -> Question:
    """Return what *body* asks, bound to the newest generation where it names no snapshot.

    :param client: who asks; where it showed a token of the operator's, build backends may be asked for it.
    :raises InputError: with the origin of what is wrong.
    :raises DataError: what is wrong with the catalog.
    :raises Unavailable: where the database cannot be reached.
    """
    asked = ask(
        texts=body.texts(),
        constraint_texts=body.constraint_texts(),
        choices=body.choices(),
        read=None,
        environ={},
        settings=state.indexes,
        most=state.settings.most_requirements,
    )
    count = len(asked.request.systems) * len(asked.request.pythons)
    if count > state.settings.most_targets:
        raise InputError(
            "too-many-targets",
            f"{count} targets are asked for, and at most {state.settings.most_targets} are resolved at once",
            hint="name fewer platforms or Pythons, or ask for some of them at a time",
        )
    nixpkgs = body.pinned_nixpkgs()
    generation, snapshot = find_snapshot(state.catalog, body.snapshot)
    reader = state.catalog.reader(generation)
    if nixpkgs is not None:
        sets = known_sets(asked.request, reader, nixpkgs)
        asked = asked.with_patches(crawled_patches(sets, asked.series, Notices()))
    fill = state.settings.fill == "on-demand" and snapshot is None
    return Question(
        request=asked.request,
        generation=reader.generation,
        snapshot=snapshot,
        nixpkgs=nixpkgs,
        fill=fill,
        builds=fill and client.trusted,
        client=client.key,
    )
