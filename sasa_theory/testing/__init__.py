"""Public test kit: hypothesis strategies for dictionaries, covariances, partitions and worlds."""

try:
    from .strategies import (
        CovarianceSpec,
        DictionarySpec,
        PartitionSpec,
        covariances,
        dictionaries,
        partitions,
        worlds,
    )
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ModuleNotFoundError(
        "sasa_theory.testing needs hypothesis, which is not installed: pip install 'sasa-theory[test]'",
        name="hypothesis",
    ) from None

__all__ = [
    "CovarianceSpec",
    "DictionarySpec",
    "PartitionSpec",
    "covariances",
    "dictionaries",
    "partitions",
    "worlds",
]
