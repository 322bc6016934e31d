"""A recipe's command line options, derived from its config class; it reads what was given and runs nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from axiom_dagster.recipes.configs import ExperimentConfig
from resources.skypilot.job_config import SkypilotJobConfig
from resources.typed_config import describe
from trainer.contract import FrozenModel, Refused

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
FLAG = re.compile(r"(--[a-z][a-z0-9-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class ConfigOption:
    """One option: the field that it sets, at `path` in the config."""

    path: tuple[str, ...]
    field: FieldInfo
    default: Any

    @property
    def name(self) -> str:
        """As it is typed, without the dashes: the field's own name."""
        return self.path[-1]

    @property
    def kind(self) -> Any:
        """The field's type, without none."""
        kinds = [kind for kind in get_args(self.field.annotation) if kind is not NoneType]
        optional = get_origin(self.field.annotation) in (Union, UnionType)
        return kinds[0] if optional and len(kinds) == 1 else self.field.annotation

    @property
    def is_flag(self) -> bool:
        """Whether it is one of `--spot`, `--no-spot`, `--spot=false`."""
        return self.field.annotation is bool

    @property
    def help(self) -> str:
        """The field's sentence and bounds."""
        return describe(self.field)

    def value(self, text: str) -> Any:
        """What was typed, as data: text as it stands where the field takes text, else YAML."""
        if self.kind is str:
            return text
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Refused.one(f"--{self.name}", text, f"not a YAML value: {error}") from None


def config_options(config: type[ExperimentConfig]) -> list[ConfigOption]:
    """An option for each plain field of the config and, where it has one, of its SkypilotJobConfig; its own come first.

    Of two fields with one name the outer one has the option.
    """
    own, rented = list[ConfigOption](), list[ConfigOption]()
    for name, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={"name": ""})
        if isinstance(default, SkypilotJobConfig):
            rented += [
                ConfigOption((name, inner), each, getattr(default, inner))
                for inner, each in SkypilotJobConfig.model_fields.items()
            ]
        elif not _is_model(field):
            own.append(ConfigOption((name,), field, None if field.default_factory else default))
    taken = {option.name for option in own}
    return [*own, *(option for option in rented if option.name not in taken)]


def configured(config: type[ExperimentConfig], given: Mapping[str, Any]) -> ExperimentConfig:
    """The config with what was given, by option; raises `Refused`. What is not given keeps its default."""
    data: dict[str, Any] = {}
    for option in config_options(config):
        if given.get(option.name) is None:
            continue
        value = given[option.name]
        value = value if option.is_flag else option.value(value)
        if len(option.path) == 1:
            data[option.name] = value
        else:
            (outer, inner) = option.path
            default = config.model_fields[outer].get_default(call_default_factory=True)
            nested = data.setdefault(outer, cast("FrozenModel", default).plain())
            nested[inner] = value
    return config.accept(data)


def flags_spelled_out(words: Sequence[str], config: type[ExperimentConfig]) -> list[str]:
    """The words with `--spot=false` as `--no-spot` and `--spot=true` as `--spot`; raises `Refused` for other values."""
    flags = {f"--{option.name.replace('_', '-')}" for option in config_options(config) if option.is_flag}
    return [_spelled_out(word, flags) for word in words]


def _spelled_out(word: str, flags: set[str]) -> str:
    found = FLAG.fullmatch(word)
    if found is None or found[1] not in flags:
        return word
    if found[2].lower() not in TRUE + FALSE:
        raise Refused.one(found[1], found[2], f"is true or false: {found[1]}=true, {found[1]}=false")
    return found[1] if found[2].lower() in TRUE else f"--no-{found[1][2:]}"


def _is_model(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, FrozenModel)
