"""Habits of the generated households: where things are kept, first choice first.

A thing is in its first, second or third home with the chances of HABIT, otherwise anywhere that can hold
it. The chances and homes are ours, written from common sense; which receptacle can hold what is ALFWorld's.
"""

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
