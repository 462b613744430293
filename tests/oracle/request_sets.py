"""The four request sets that comparisons and benchmarks run on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["REQUEST_SETS"]

#: Name of the set -> its requirements.
REQUEST_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "requests": ("requests",),
        "jupyterlab": ("jupyterlab",),
        "data science": (
            "numpy",
            "pandas",
            "scipy",
            "scikit-learn",
            "matplotlib",
            "statsmodels",
            "xarray",
            "dask[complete]",
            "pyarrow",
            "sqlalchemy",
            "seaborn",
            "numba",
        ),
        "web": ("fastapi[standard]", "uvicorn", "sqlalchemy[asyncio]", "celery[redis]", "httpx[http2]"),
    }
)
