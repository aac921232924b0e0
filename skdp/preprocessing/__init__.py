"""Differentially private transformers of features."""

from ._clipping import Clip, RowNormClip
from ._discretizer import KBinsDiscretizer
from ._encoders import OneHotEncoder, OrdinalEncoder
from ._quantile_transformer import QuantileTransformer
from ._scalers import MinMaxScaler, RobustScaler, StandardScaler
from ._target_encoder import TargetEncoder

__all__ = [
    "Clip",
    "KBinsDiscretizer",
    "MinMaxScaler",
    "OneHotEncoder",
    "OrdinalEncoder",
    "QuantileTransformer",
    "RobustScaler",
    "RowNormClip",
    "StandardScaler",
    "TargetEncoder",
]
