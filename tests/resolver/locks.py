"""Locks for tests: written by hand in a few words, and drawn at random."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from hypothesis import strategies as st

from resolver.lock import BuildClosure, Lock, LockedArtifact, LockTarget, Nixpkgs, Pin, digest_closure

FACTS = "sha256:" + "0" * 64


def artifact(filename: str, *, size: int | None = None) -> LockedArtifact:
    sha256 = hashlib.sha256(filename.encode()).hexdigest()
    return LockedArtifact(
        filename=filename, url=f"https://files.index.example/{sha256[:2]}/{filename}", sha256=sha256, size=size
    )


def pin(
    release: str,
    *requirements: str,
    extras: tuple[str, ...] = (),
    build: str | None = None,
    size: int | None = None,
) -> Pin:
    """Return the pin of ``requests==2.32.0`` with the edges that *requirements* state; an sdist where *build* is."""
    name, version = release.split("==")
    spelled = name.replace("-", "_")
    edges: dict[str, tuple[str, ...]] = {}
    for text in requirements:
        to = text.replace("[", " ").replace("<", " ").replace(">", " ").replace("=", " ").replace("!", " ").split()[0]
        edges[to] = (*edges.get(to, ()), text)
    return Pin(
        name=name,
        version=version,
        provider="wheel" if build is None else "sdist",
        extras=extras,
        artifact=artifact(
            f"{spelled}-{version}-py3-none-any.whl" if build is None else f"{spelled}-{version}.tar.gz", size=size
        ),
        dependencies=edges,
        build=build,
    )


def target(
    *pins: Pin, roots: Mapping[str, tuple[str, ...]], system: str = "x86_64-linux", python: str = "3.11.9"
) -> LockTarget:
    series = python.rsplit(".", 1)[0]
    following = f"3.{int(series.split('.')[1]) + 1}"
    return LockTarget(
        system=system,
        python=python,
        python_interval=(f"{series}.0", following),
        glibc=None,
        roots=roots,
        pins=tuple(sorted(pins, key=lambda p: p.name)),
    )


def lock(*targets: LockTarget, closures: tuple[BuildClosure, ...] = (), nixpkgs: Nixpkgs | None = None) -> Lock:
    return Lock(
        request={},
        policy={},
        facts=FACTS,
        nixpkgs=nixpkgs,
        targets=targets,
        tools={"installer": artifact("installer-1.0.0-py3-none-any.whl")},
        build_closures={digest_closure(closure): closure for closure in closures},
    )


def web_lock() -> Lock:
    """Return a small lock of two targets, with an extra, a diamond, a cycle, and an sdist."""
    closure = BuildClosure(pins=(pin("setuptools==80.0.0"),))
    digest = digest_closure(closure)
    pins = (
        pin("requests==2.32.0", "urllib3>=1.21,<3", "idna<4", "pysocks>=1.5", extras=("socks",), size=64_000),
        pin("urllib3==2.2.1"),
        pin("idna==3.7"),
        pin("pysocks==1.7.1", build=digest),
        pin("ping==1.0", "pong", "idna>=3"),
        pin("pong==1.0", "ping"),
    )
    roots = {"requests": ("requests[socks]>=2.30",), "ping": ("ping",)}
    return lock(
        target(*pins, roots=roots, system="aarch64-linux"),
        target(*pins, roots=roots),
        closures=(closure,),
        nixpkgs=Nixpkgs(rev="a" * 40, sha256="sha256-" + "A" * 43 + "="),
    )


_names = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
_versions = st.from_regex(r"[1-9]?[0-9](\.[1-9]?[0-9]){0,2}((a|b|rc)[1-9])?(\.post[1-9])?(\.dev[1-9])?", fullmatch=True)
_hex = st.text("0123456789abcdef", min_size=64, max_size=64)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def _artifacts(draw: st.DrawFn, filename: str) -> LockedArtifact:
    base = draw(st.sampled_from(["https://files.index.example/f/", "http://127.0.0.1:8080/", "file:///srv/files/"]))
    return LockedArtifact(
        filename=filename,
        url=base + filename,
        sha256=draw(_hex),
        size=draw(st.none() | st.integers(min_value=0, max_value=2**50)),
    )


@st.composite
def _pins(draw: st.DrawFn, builds: list[str]) -> tuple[Pin, ...]:
    names = sorted(draw(st.sets(_names, min_size=1, max_size=5)))
    made = []
    for name in names:
        version = draw(_versions)
        build = draw(st.none() | st.sampled_from(builds)) if builds else None
        spelled = name.replace("-", "_")
        filename = f"{spelled}-{version}-py3-none-any.whl" if build is None else f"{spelled}-{version}.tar.gz"
        edges = {
            to: tuple(draw(st.lists(st.sampled_from([to, f"{to}>=0", f"{to}[x]!=99"]), min_size=1, max_size=2)))
            for to in sorted(draw(st.sets(st.sampled_from(names), max_size=3)))
        }
        made.append(
            Pin(
                name=name,
                version=version,
                provider="wheel" if build is None else "sdist",
                extras=tuple(sorted(draw(st.sets(_names, max_size=2)))),
                artifact=draw(_artifacts(filename)),
                dependencies=edges,
                build=build,
                passed_over=draw(st.none() | st.just("99.0 (sdist)")),
                fallback=draw(st.none() | st.just("from wheel: no version of it fits the other pins")),
            )
        )
    return tuple(made)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Draw any lock that is well formed; its edges need not be satisfied by its pins."""
    closures = [BuildClosure(pins=draw(_pins([]))) for _ in range(draw(st.integers(0, 2)))]
    by_digest = {digest_closure(closure): closure for closure in closures}
    platforms = st.sampled_from(["aarch64-darwin", "aarch64-linux", "x86_64-linux"])
    targets = []
    for system, minor in sorted(draw(st.sets(st.tuples(platforms, st.integers(10, 14)), min_size=1, max_size=3))):
        pins = draw(_pins(list(by_digest)))
        rooted = draw(st.sets(st.sampled_from([p.name for p in pins]), min_size=1))
        targets.append(
            LockTarget(
                system=system,
                python=f"3.{minor}.{draw(st.integers(0, 20))}",
                python_interval=(f"3.{minor}.0", f"3.{minor + 1}"),
                glibc=draw(st.none() | st.sampled_from(["2.17", "2.28"])),
                roots={name: (name,) for name in sorted(rooted)},
                pins=pins,
            )
        )
    return Lock(
        request=draw(st.dictionaries(_texts, _json, max_size=3)),
        policy=draw(st.dictionaries(_texts, _json, max_size=3)),
        facts="sha256:" + draw(_hex),
        snapshot=draw(st.none() | _hex.map("sha256:{}".format)),
        nixpkgs=draw(st.none() | st.just(Nixpkgs(rev="0" * 40, sha256="0" * 52))),
        targets=tuple(targets),
        tools={"installer": draw(_artifacts("installer-1.0.0-py3-none-any.whl"))},
        build_closures=by_digest,
    )
