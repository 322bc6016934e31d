"""The rules of the arena, written on MettaGrid's own config classes; it never steps a simulation."""

from mettagrid.config.action_config import ActionsConfig, ChangeVibeActionConfig, MoveActionConfig, NoopActionConfig
from mettagrid.config.filter import AnyFilter, actorHas, isNot, targetHas
from mettagrid.config.filter.resource_filter import targetHasAnyOf
from mettagrid.config.game_value import InventoryValue, stat
from mettagrid.config.handler_config import AnyHandler, Handler, firstMatch, updateActor, updateTarget, withdraw
from mettagrid.config.mettagrid_config import (
    AgentConfig,
    GameConfig,
    GridObjectConfig,
    InventoryConfig,
    MettaGridConfig,
    ResourceLimitsConfig,
    WallConfig,
)
from mettagrid.config.mutation import logActorAgentStat
from mettagrid.config.obs_config import GlobalObsConfig, ObsConfig
from mettagrid.config.reward_config import AgentReward, reward
from mettagrid.map_builder.random_map import RandomMapBuilderConfig

from trainer.contract.environment import ArenaConfig

ITEMS = ("ore", "battery", "heart", "laser", "armor")
CARRY_LIMIT = 10
# One inventory token holds a byte: a limit of 255 keeps the count of hearts in one token.
HEART_LIMIT = 255
LASERS_TO_ATTACK = 1
# More lasers than an agent can carry: the action is there, but it can never be paid.
LASERS_TO_ATTACK_WITHOUT_COMBAT = 100
WINDOW = 13
_TOKENS_OF_AN_AGENT = 3 + len(ITEMS)
_GLOBAL_TOKENS = 2


def arena_game(config: ArenaConfig, map_seed: int = 0) -> MettaGridConfig:
    """The arena as a MettaGrid config; the map follows from `map_seed` alone.

    An agent uses what it walks into: a mine gives an ore; a generator turns an ore into a battery; an altar turns
    a battery into a heart; a laser maker turns an ore and a battery into a laser; an armory turns three ores
    into an armor. An agent carries at most ten of each, and 255 hearts. Walking into another agent that carries goods,
    with a laser in hand, spends the laser: it takes a heart and all ore and batteries, or breaks one armor. Without
    combat an attack costs more lasers than can be carried, so that actions and observations stay the same.

    Ore and batteries are paid when they are made (so theft earns nothing), hearts as they are held: a stolen heart
    takes its reward from the victim to the thief.
    """
    return MettaGridConfig(
        label="arena",
        game=GameConfig(
            num_agents=config.num_agents,
            max_steps=config.max_steps,
            episode_truncates=True,
            resource_names=list(ITEMS),
            protocol_details_obs=False,
            obs=_observations(config),
            actions=ActionsConfig(
                noop=NoopActionConfig(),
                move=MoveActionConfig(),
                change_vibe=ChangeVibeActionConfig(enabled=False),
            ),
            objects={
                "wall": WallConfig(),
                "mine": _maker("mine", {}, "ore"),
                "generator": _maker("generator", {"ore": 1}, "battery"),
                "altar": _maker("altar", {"battery": 1}, "heart"),
                "laser_maker": _maker("laser_maker", {"ore": 1, "battery": 1}, "laser"),
                "armory": _maker("armory", {"ore": 3}, "armor"),
            },
            agent=_agent(config),
            map_builder=_map(config, map_seed),
        ),
    )


def _observations(config: ArenaConfig) -> ObsConfig:
    return ObsConfig(
        width=WINDOW,
        height=WINDOW,
        num_tokens=_most_tokens(config),
        global_obs=GlobalObsConfig(episode_completion_pct=True, last_action=True, last_reward=False),
    )


def _most_tokens(config: ArenaConfig) -> int:
    """The tokens of the fullest window there can be; MettaGrid raises when its budget is exceeded."""
    cells = WINDOW * WINDOW
    agents = min(config.num_agents, cells)
    return _GLOBAL_TOKENS + agents * _TOKENS_OF_AN_AGENT + (cells - agents)


def _maker(name: str, cost: dict[str, int], product: str) -> GridObjectConfig:
    limit = HEART_LIMIT if product == "heart" else CARRY_LIMIT
    affordable: list[AnyFilter] = [actorHas(cost)] if cost else []
    change = {item: -amount for item, amount in cost.items()} | {product: 1}
    return GridObjectConfig(
        name=name,
        on_use_handler=Handler(
            filters=[*affordable, isNot(actorHas({product: limit}))],
            mutations=[updateActor(change), logActorAgentStat(f"{product}.made")],
        ),
    )


def _agent(config: ArenaConfig) -> AgentConfig:
    return AgentConfig(
        inventory=InventoryConfig(
            default_limit=CARRY_LIMIT,
            limits={"heart": ResourceLimitsConfig(base=HEART_LIMIT, resources=["heart"])},
        ),
        rewards=_rewards(config),
        on_use_handler=_attack(LASERS_TO_ATTACK if config.combat else LASERS_TO_ATTACK_WITHOUT_COMBAT),
    )


def _rewards(config: ArenaConfig) -> dict[str, AgentReward]:
    paid = config.rewards
    return {
        "ore": reward(stat("ore.made"), weight=paid.ore),
        "battery": reward(stat("battery.made"), weight=paid.battery),
        "heart": reward(InventoryValue(item="heart"), weight=paid.heart),
    }


def _attack(lasers: int) -> AnyHandler | None:
    paid: list[AnyFilter] = [actorHas({"laser": lasers}), targetHasAnyOf(["heart", "battery", "ore"])]
    spend = updateActor({"laser": -lasers})
    blocked = Handler(
        filters=[*paid, targetHas({"armor": 1})],
        mutations=[spend, updateTarget({"armor": -1}), logActorAgentStat("attack.blocked")],
    )
    won = Handler(
        filters=paid,
        mutations=[spend, withdraw({"heart": 1, "battery": -1, "ore": -1}), logActorAgentStat("attack.won")],
    )
    return firstMatch([blocked, won])


def _map(config: ArenaConfig, seed: int) -> RandomMapBuilderConfig:
    return RandomMapBuilderConfig(
        seed=seed,
        width=config.width,
        height=config.height,
        agents=config.num_agents,
        border_width=1,
        objects={
            "mine": config.num_mines,
            "generator": config.num_generators,
            "altar": config.num_altars,
            "laser_maker": config.num_lasers,
            "armory": config.num_armories,
        },
    )
