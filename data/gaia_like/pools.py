"""Words of the tasks. Places, persons and firms are made up or common words; any likeness is chance."""

CITIES = [
    "Aldenau",
    "Birkfeld",
    "Corvane",
    "Dunmore",
    "Elsbach",
    "Fennholt",
    "Garrick",
    "Hollin",
    "Ivarsund",
    "Jarnby",
    "Kestwick",
    "Lormont",
    "Marwell",
    "Nordhaven",
    "Ostrava-Sud",
    "Pellworm",
    "Quarnby",
    "Rosmead",
    "Silvertal",
    "Tarnow-West",
    "Ulmenau",
    "Varberg",
    "Westin",
    "Yarrow",
]
MUSEUMS = ("Glass Museum", "Harbour Museum", "Clock Museum", "Railway Museum", "Paper Museum", "Salt Museum",
           "Textile Museum", "Bell Museum")  # fmt: skip
FIRST = [
    "Ada",
    "Bruno",
    "Clara",
    "Dario",
    "Edda",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Karla",
    "Leon",
    "Mara",
    "Nils",
    "Olga",
    "Pavel",
    "Rosa",
    "Simon",
    "Tilda",
    "Ulrich",
    "Vera",
    "Wanda",
    "Xenia",
    "Yusuf",
    "Zora",
]
LAST = [
    "Abel",
    "Brandt",
    "Castell",
    "Dorn",
    "Engel",
    "Fabry",
    "Grosz",
    "Hartog",
    "Ivens",
    "Jansky",
    "Keller",
    "Lindt",
    "Moreno",
    "Novak",
    "Orsini",
    "Petrov",
    "Quist",
    "Rausch",
    "Sandoz",
    "Thorn",
    "Urban",
    "Varga",
    "Weiland",
    "Yilmaz",
    "Zander",
]
FIRMS = ("Baltic Tools", "Corner Foods", "Delta Print", "Evergreen Paper", "Fjord Lines", "Granite Works",
         "Helio Lamps", "Indigo Dyes", "Juniper Farms", "Kite Textiles", "Lakeside Glass", "Moss Gardens")  # fmt: skip
COUNTRIES = ["Norway", "Portugal", "Austria", "Estonia", "Ireland", "Greece", "Poland", "Denmark"]
ITEMS = ("desk lamp", "garden chair", "copper pipe", "paint roller", "door handle", "water filter", "oak shelf",
         "steel bolt", "wool blanket", "tin bucket", "clay pot", "rope ladder")  # fmt: skip
PROJECTS = ("playground", "town library", "bus shelter", "cycle path", "fire station", "sports hall",
            "fish market", "harbour light", "school kitchen", "river bridge")  # fmt: skip
ROUTES = ["Amber", "Coastal", "Forest", "Lake", "Ridge", "Valley"]
SERVICES = ["billing", "login", "search", "mailer", "upload", "report"]
CATEGORIES = {"BKS": "Books", "GAM": "Games", "MUS": "Music", "GAR": "Garden", "KIT": "Kitchen", "TOY": "Toys",
              "OUT": "Outdoor", "ART": "Art supplies"}  # fmt: skip
TEAMS = ("Falcons", "Harriers", "Ospreys", "Kestrels", "Merlins", "Buzzards", "Hobbies", "Kites")
CARRIERS = ("Nordfracht", "Swiftline", "Blue Anchor", "Condor Cargo")
INGREDIENTS = {"flour": 364, "butter": 717, "sugar": 387, "walnuts": 654, "raisins": 299, "honey": 304,
               "oats": 389, "cream": 340, "apples": 52, "almonds": 579}  # fmt: skip
DISHES = ("walnut cake", "oat biscuits", "apple tart", "honey bread", "raisin rolls")
CROPS = ("wheat", "barley", "clover", "maize", "rye")
FARMS = ["Ashdown", "Brookside", "Highfield", "Larkhill", "Meadow", "Stonegate"]
DEPARTMENTS = ["Parks", "Roads", "Schools", "Housing", "Culture", "Sports"]
PARTIES = {"BLU": "Blue List", "CIV": "Civic Union", "FUT": "Future Now", "GRE": "Green Towns",
           "HOM": "Home Rule", "WOR": "Workers' League"}  # fmt: skip
CLUBS = ("Harbour Runners", "Hill Striders", "Lake Athletic", "Night Owls", "River Sprinters", "Wind Chasers",
         "Castle Joggers", "Forest Foxes", "Meadow Hares", "Old Town Milers")  # fmt: skip
SUBSTANCES = ["nitrate", "sulphate", "chloride", "fluoride"]
MODELS = ("Tern 4", "Heron X", "Plover 2", "Avocet S")
STAGES = ("Lake Stage", "Hill Stage", "Garden Stage", "Barn Stage")
BANDS = ("Copper Owls", "Slow Tram", "Paper Moons", "The Lanterns", "Nine Bridges", "Salt & Rye", "Velvet Fox",
         "Quiet Engines", "Amber Choir", "Low Tide", "Winter Bees", "Glass Harbour", "Red Kites", "Tin Orchestra",
         "Mill Street", "Cloud Cellar")  # fmt: skip

DEAD = ("cancelled", "void", "test", "withdrawn", "rejected", "annulled")
LIVE = ("ok", "confirmed", "paid", "done", "active", "approved")

NOTES = {
    "status": (
        "{Dead} {things} stay in the list but are not part of any total.",
        "{Things} marked {dead} do not count.",
        "A {thing} with the status {dead} is kept for the record only and is left out of all figures.",
    ),
    "scale": (
        "All amounts in thousand EUR.",
        "Amounts are given in thousands of EUR.",
        "Figures in kEUR.",
    ),
    "blank": (
        "An empty cell means that no figure was reported.",
        "Empty: not measured.",
        "Where nothing is written, the figure is missing.",
    ),
    "blank_zero": (
        "An empty cell means 0.",
        "Blank means zero.",
        "Where nothing is written, the figure is zero.",
    ),
    "dup": (
        "The export may repeat a {thing}; the {key} identifies it.",
        "Some {things} were sent twice and appear twice.",
    ),
}  # fmt: skip
PLAIN_NOTES = (
    "Exported from the office system.", "For internal use.", "Questions to the front desk.",
    "Kept by the secretariat.", "Prepared for the yearly report.",
)  # fmt: skip

FORM = {
    "number": ("", "", " Give only the number.", " Answer with the number only."),
    0: (" Round to the nearest whole number.", " Round the answer to the nearest whole number."),
    1: (" Round to one decimal place.", " Give the answer to one decimal place."),
    2: (" Round to two decimal places.", " Give the answer to two decimal places."),
    3: (" Round to three decimal places.",),
    "name": (" Answer with the name only.", ""),
    "abc": (" Give the names, separated by commas, in alphabetical order.",),
    "high": (" Give the names, separated by commas, from highest to lowest.",
             " List the names from highest to lowest, separated by commas."),
}  # fmt: skip
