//! The words that names are made of. Lists only; `names` and the rows put them together.
//!
//! The order and length of a list decide what a seed makes: changing one changes every catalogue.
//! Rustfmt would give each word a line of its own, hence the skips.

/// The first part of a store's name.
#[rustfmt::skip]
pub(super) const PLACES: [&str; 64] = [
    "Red Dirt", "Cimarron", "Osage", "Tallgrass", "Wichita", "Arbuckle", "Kiamichi", "Redbud",
    "Scissortail", "Cross Timbers", "Route 66", "Sooner", "Cottonwood", "Blackjack", "Bluestem",
    "Washita", "Green Country", "Panhandle", "Black Mesa", "Gloss Mountain", "Talimena",
    "Antelope", "Grand Lake", "Sandstone", "Wildhorse", "Longhorn", "Chisholm", "Shortgrass",
    "Mistletoe", "Indigo", "Meadowlark", "Bison", "Copper", "Sunflower", "Iron Post", "Twin Oaks",
    "Stillwater", "Windmill", "Dust Bowl", "Silver Maple", "Juniper", "Sandhill", "Prairie Fire",
    "Cedar", "Sequoyah", "Pecan", "Thunder", "Plainsong", "Little River", "Verdigris", "Quartz",
    "Big Sky", "Heartland", "Lone Elm", "Honey Locust", "Persimmon", "Sagebrush", "Whitetail",
    "Switchgrass", "Bluebird", "Limestone", "Sundown", "Old Barn", "High Plains",
];

/// The part in the middle, once all names of two parts are taken.
#[rustfmt::skip]
pub(super) const MIDDLES: [&str; 16] = [
    "Creek", "Ridge", "Valley", "Hollow", "Bend", "Hill", "Fork", "Springs", "Canyon", "Meadow",
    "Trail", "Crossing", "Bluff", "Station", "Pond", "Grove",
];

/// The last part of a vendor's name.
#[rustfmt::skip]
pub(super) const VENDOR_ENDINGS: [&str; 32] = [
    "Farms", "Gardens", "Cultivation", "Growers", "Botanicals", "Extracts", "Labs", "Provisions",
    "Harvest", "Greens", "Distribution", "Wholesale", "Collective", "Naturals", "Organics",
    "Processing", "Craft", "Agronomy", "Greenhouse", "Edibles", "Kitchens", "Concentrates",
    "Supply", "Trading", "Genetics", "Nursery", "Acres", "Homestead", "Works", "Brands", "Goods",
    "Partners",
];

/// The last part of a buyer's name.
#[rustfmt::skip]
pub(super) const BUYER_ENDINGS: [&str; 24] = [
    "Dispensary", "Wellness", "Apothecary", "Remedies", "Cannabis", "Compassion", "Relief", "Care",
    "Leaf", "Herbal", "Medicinals", "Cannabis Company", "Corner", "Outpost", "Green Room",
    "Healing", "Alternatives", "Mercantile", "Bud Bar", "Market", "Pharm", "Health", "Flower Shop",
    "Therapeutics",
];

/// Cities of Oklahoma with a postal code.
#[rustfmt::skip]
pub(super) const OKLAHOMA: [(&str, &str); 24] = [
    ("Oklahoma City", "73102"), ("Tulsa", "74103"), ("Norman", "73069"), ("Broken Arrow", "74012"),
    ("Edmond", "73034"), ("Lawton", "73501"), ("Moore", "73160"), ("Midwest City", "73110"),
    ("Enid", "73701"), ("Stillwater", "74074"), ("Muskogee", "74401"), ("Bartlesville", "74003"),
    ("Owasso", "74055"), ("Shawnee", "74801"), ("Ponca City", "74601"), ("Ardmore", "73401"),
    ("Duncan", "73533"), ("Yukon", "73099"), ("Durant", "74701"), ("Tahlequah", "74464"),
    ("McAlester", "74501"), ("Ada", "74820"), ("Guthrie", "73044"), ("Claremore", "74017"),
];

/// Cities of the neighbours: state, city, postal code.
#[rustfmt::skip]
pub(super) const NEIGHBOURS: [(&str, &str, &str); 8] = [
    ("AR", "Fort Smith", "72901"), ("AR", "Fayetteville", "72701"), ("MO", "Joplin", "64801"),
    ("MO", "Springfield", "65806"), ("CO", "Trinidad", "81082"), ("CO", "Lamar", "81052"),
    ("NM", "Clayton", "88415"), ("NM", "Tucumcari", "88401"),
];

/// Streets.
#[rustfmt::skip]
pub(super) const STREETS: [&str; 24] = [
    "N Main St", "S Main St", "E Broadway Ave", "W Broadway Ave", "N Western Ave", "S Peoria Ave",
    "E 11th St", "W 51st St", "N Lincoln Blvd", "S Sheridan Rd", "W Gore Blvd", "N Perkins Rd",
    "E Grand Ave", "S Elm Pl", "W Reno Ave", "N Washington St", "E Oak St", "W Cherokee Ave",
    "County Road 1290", "County Road 3540", "State Highway 9", "State Highway 51", "Industrial Dr",
    "Commerce Way",
];

/// Given names.
#[rustfmt::skip]
pub(super) const GIVEN_NAMES: [&str; 32] = [
    "Maria", "James", "Ashley", "Robert", "Linda", "Michael", "Sarah", "David", "Jessica", "Daniel",
    "Amanda", "Jose", "Karen", "Thomas", "Nicole", "Kevin", "Angela", "Brian", "Rachel", "Tyler",
    "Denise", "Marcus", "Heather", "Luis", "Carla", "Travis", "Shelby", "Wade", "Monica", "Dustin",
    "Tamara", "Cody",
];

/// Family names.
#[rustfmt::skip]
pub(super) const FAMILY_NAMES: [&str; 40] = [
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Martinez",
    "Hernandez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee",
    "Nguyen", "Harris", "Clark", "Lewis", "Walker", "Hall", "Young", "Harjo", "Deere", "Fixico",
    "Wright", "Scott", "Green", "Baker", "Adams", "Nelson", "Carter", "Mitchell", "Roberts", "Tran",
    "Parker", "Billy",
];

/// Cultivars, which flower and what is made of one plant are named after.
#[rustfmt::skip]
pub(super) const STRAINS: [&str; 48] = [
    "Blue Dream", "OG Kush", "Sour Diesel", "Gelato", "Wedding Cake", "Northern Lights",
    "White Widow", "Pineapple Express", "Granddaddy Purple", "Green Crack", "Jack Herer",
    "Gorilla Glue", "Zkittlez", "Runtz", "Do-Si-Dos", "Sunset Sherbet", "Bubba Kush",
    "Durban Poison", "AK-47", "Purple Punch", "Mimosa", "MAC 1", "Ice Cream Cake", "Biscotti",
    "Strawberry Cough", "Super Lemon Haze", "Trainwreck", "Blueberry", "Cherry Pie", "Chemdawg",
    "Tangie", "Slurricane", "Forbidden Fruit", "Grape Ape", "Lemon Skunk", "Maui Wowie",
    "Mandarin Cookies", "Animal Mints", "Cereal Milk", "Garlic Cookies", "Jealousy", "Kush Mints",
    "Apple Fritter", "Banana Punch", "Lava Cake", "Rainbow Belts", "Sour Tangie", "Velvet Moon",
];

/// Flavours of what is eaten, drunk and rubbed in.
#[rustfmt::skip]
pub(super) const FLAVOURS: [&str; 24] = [
    "Blue Raspberry", "Peach", "Watermelon", "Green Apple", "Mango", "Strawberry Lemonade",
    "Sour Cherry", "Blackberry", "Pineapple", "Mixed Berry", "Tangerine", "Grape", "Salted Caramel",
    "Dark Mint", "Cookies and Cream", "Pecan Praline", "Sea Salt", "Cinnamon", "Lavender",
    "Eucalyptus", "Ginger Lime", "Prickly Pear", "Honey Vanilla", "Root Beer",
];
