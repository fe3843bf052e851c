"""Habits of the generated households: where things are kept, first choice first.

A thing is in its first, second or third home with the chances of HABIT, otherwise anywhere that can hold
it. The chances and homes are ours, written from common sense; which receptacle can hold what is ALFWorld's.
World 0 has the homes below. In every other world they are drawn from the places that can hold a thing where it occurs.
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

HABIT = (0.5, 0.22, 0.12)

KITCHENWARE = ("Cabinet", "CounterTop", "Shelf")
CUTLERY = ("Drawer", "CounterTop", "DiningTable")
FOOD = ("Fridge", "CounterTop", "DiningTable")
SMALL = ("Drawer", "SideTable", "Dresser")
BATH = ("CounterTop", "Cabinet", "Toilet")

HOMES = {
    "Apple": FOOD, "Tomato": FOOD, "Lettuce": FOOD, "Egg": ("Fridge", "Microwave", "CounterTop"),
    "Potato": ("CounterTop", "GarbageCan", "Fridge"), "Bread": ("CounterTop", "DiningTable", "Fridge"),
    "Mug": ("CoffeeMachine", "Cabinet", "CounterTop"), "Cup": ("Cabinet", "Fridge", "CounterTop"),
    "Plate": KITCHENWARE, "Bowl": ("Cabinet", "Shelf", "DiningTable"),
    "Pan": ("StoveBurner", "CounterTop", "Cabinet"),
    "Pot": ("StoveBurner", "Cabinet", "CounterTop"), "Kettle": ("StoveBurner", "Cabinet", "CounterTop"),
    "Fork": CUTLERY, "Spoon": CUTLERY, "Knife": CUTLERY, "ButterKnife": CUTLERY,
    "Spatula": ("Drawer", "CounterTop", "DiningTable"), "Ladle": ("Drawer", "CounterTop", "DiningTable"),
    "SaltShaker": ("Cabinet", "Drawer", "CounterTop"), "PepperShaker": ("Drawer", "Cabinet", "CounterTop"),
    "DishSponge": ("SinkBasin", "CounterTop", "Cabinet"),
    "SoapBottle": ("Cabinet", "CounterTop", "GarbageCan"),
    "WineBottle": ("Cabinet", "Fridge", "CounterTop"), "Glassbottle": ("Shelf", "CounterTop", "GarbageCan"),
    "Vase": ("Shelf", "SideTable", "CoffeeTable"), "Statue": ("Shelf", "Dresser", "CoffeeTable"),
    "PaperTowelRoll": ("CounterTop", "GarbageCan", "Toilet"),
    "Book": ("Desk", "Bed", "CoffeeTable"), "Newspaper": ("Sofa", "CoffeeTable", "SideTable"),
    "Laptop": ("Desk", "Bed", "Sofa"), "CellPhone": ("Desk", "Bed", "SideTable"),
    "Pillow": ("Bed", "Sofa", "ArmChair"),
    "RemoteControl": ("Sofa", "TVStand", "CoffeeTable"), "KeyChain": SMALL, "CreditCard": SMALL,
    "Watch": ("Dresser", "Drawer", "SideTable"), "Pen": ("Desk", "Drawer", "Shelf"),
    "Pencil": ("Desk", "Shelf", "Drawer"), "CD": ("Drawer", "Desk", "Shelf"),
    "AlarmClock": ("SideTable", "Desk", "Dresser"),
    "TissueBox": ("SideTable", "Dresser", "CoffeeTable"), "Box": ("Sofa", "CoffeeTable", "Dresser"),
    "SoapBar": ("SinkBasin", "BathtubBasin", "CounterTop"),
    "Cloth": ("BathtubBasin", "Cabinet", "CounterTop"),
    "SprayBottle": BATH, "ToiletPaper": ("ToiletPaperHanger", "Toilet", "Cabinet"),
    "Candle": ("Toilet", "CounterTop", "Shelf"),
    "HandTowel": ("HandTowelHolder", "CounterTop", "SinkBasin"),
    "Towel": ("TowelHolder", "BathtubBasin", "CounterTop"),
    "DeskLamp": ("SideTable", "Desk", "Dresser"),
    ("Bedroom", "Mug"): ("Desk", "Shelf", "SideTable"), ("Bedroom", "Bowl"): ("Desk", "Shelf", "Dresser"),
    ("LivingRoom", "Bowl"): ("CoffeeTable", "DiningTable", "SideTable"),
    ("LivingRoom", "Plate"): ("CoffeeTable", "DiningTable", "SideTable"),
    ("Bathroom", "DishSponge"): ("BathtubBasin", "Cabinet", "GarbageCan"),
    ("Bathroom", "SoapBottle"): ("Toilet", "CounterTop", "Cabinet"),
    ("Bathroom", "Candle"): ("Toilet", "CounterTop", "Cabinet"),
    ("Kitchen", "Book"): ("CounterTop", "DiningTable", "Shelf"),
    ("Kitchen", "CreditCard"): ("CounterTop", "Shelf", "Drawer"),
}  # fmt: skip

# Allowed by the rules but never a goal or a place to look in these households.
NOT_FOR = {
    "Mug": ("SinkBasin",), "Laptop": ("DiningTable",), "Towel": ("GarbageCan",),
}  # fmt: skip


def habits(world: int, plans: Iterable[dict], contains: dict) -> dict:
    """The homes of a world, in the form of HOMES: the more rooms have a place, the likelier it is a home."""
    if world == 0:
        return HOMES
    rng, drawn = np.random.default_rng([world, 999]), {}
    places: dict[str, Counter] = {}
    for plan in plans:
        here = {name.split("|")[-1 if name.endswith("Basin") else 0] for name, *_ in plan["receptacles"]}
        for thing in plan["kinds"]:
            able = sorted(kind for kind in here if thing in contains[kind] and kind not in NOT_FOR.get(thing, ()))
            places.setdefault(thing, Counter()).update(able)
    for thing in sorted({key if isinstance(key, str) else key[1] for key in HOMES} & set(places)):
        kinds = sorted(places[thing])
        if kinds:
            shares = np.array([places[thing][kind] for kind in kinds], float)
            order = rng.choice(kinds, min(len(HABIT), len(kinds)), replace=False, p=shares / shares.sum())
            drawn[thing] = tuple(order.tolist())
    return drawn
