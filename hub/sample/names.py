"""Names as they stand in an English county: English, South Asian, Polish, Somali, Arabic."""

from __future__ import annotations

import random
from collections.abc import Mapping

FEMALE: Mapping[str, str] = {
    "english": """Olivia Amelia Isla Ava Emily Grace Lily Evie Jessica Ella Chloe Sophie Charlotte Megan Holly Lucy
        Katie Hannah Abigail Molly Ellie Daisy Phoebe Erin Leah Georgia Amy Rebecca Lauren Bethany Caitlin Paige Jade
        Courtney Shannon Keira Libby Niamh Zoë Tia""",
    "south_asian": "Aaliyah Aisha Fatima Zainab Maryam Hafsa Priya Anjali Simran Harpreet Sana Iqra Amina Nadia Riya",
    "polish": "Zofia Zuzanna Julia Maja Oliwia Wiktoria Aleksandra Natalia Kinga Weronika",
    "somali": "Hodan Ifrah Sagal Ayaan Hibo Nasra Fadumo Khadra",
    "arabic": "Layla Nour Yasmin Salma Rania Huda Mariam Dina",
}
MALE: Mapping[str, str] = {
    "english": """Oliver Jack Harry George Charlie Jacob Alfie Noah William Thomas James Joshua Daniel Ethan Samuel
        Joseph Liam Callum Connor Ryan Kieran Jake Luke Jordan Kyle Tyler Bradley Lewis Reece Nathan Aaron Owen Jamie
        Benjamin Adam Max Finley Declan Kai Curtis""",
    "south_asian": "Mohammed Muhammad Ahmed Hamza Bilal Imran Usman Arjun Rohan Gurpreet Zayn Haroon Faisal Ravi Kiran",
    "polish": "Jakub Kacper Szymon Filip Mateusz Bartosz Michał Piotr Dawid Oskar",
    "somali": "Abdi Liban Mahad Guled Warsame Zakariya Sharmarke Ayanle",
    "arabic": "Omar Yusuf Ibrahim Khalid Karim Tariq Sami Hassan",
}
FAMILY: Mapping[str, str] = {
    "english": """Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White
        Roberts Green Hall Wood Jackson Clarke Clark Harris Lewis Hughes Edwards Turner Hill Moore Cooper Ward Morris
        King Watson Baker Harrison Morgan Patterson Young Allen Mitchell James Anderson Phillips Lee Bell Parker Davis
        Bennett Cook Shaw Griffiths Richardson Carter Collins Marshall Bailey Gray Cox Adams Wilkinson Foster Chapman
        Mason Russell Powell Webb Rogers Hunt Mills Holmes Palmer Knight Barnes Stevens Matthews Fisher Butler Dixon
        Barker Harvey Pearson Fletcher Graham Murray Howard Ellis Simpson Reynolds Armstrong Fox Saunders Burton Walsh
        O’Brien O’Connor Murphy Kelly Doyle Byrne Lynch Atkinson Gibson Spencer Hudson Lowe Dawson Booth Nicholson
        Sutton Chambers Hartley Bradshaw Whittaker Crossley Sykes Firth Ramsden Thackeray Ogden Pickles Bairstow
        Sutcliffe Midgley Greenwood Hirst Lockwood Haigh Brook Kaye Crowther Dyson Tordoff Wainwright Holroyd""",
    "south_asian": """Khan Hussain Ahmed Ali Patel Singh Kaur Begum Akhtar Mahmood Iqbal Malik Shah Mirza Sharma Gill
        Dhillon Sandhu Bhatti Chaudhry Qureshi Rafiq Aslam Bashir Rehman Kumar Mistry Desai Rashid Sadiq""",
    "polish": """Kowalski Nowak Wiśniewski Wójcik Kamiński Lewandowski Zieliński Szymański Woźniak Dąbrowski Kozłowski
        Jankowski Mazur Krawczyk Piotrowski Grabowski Pawłowski Michalski Król Wieczorek""",
    "somali": """Abdullahi Mohamud Farah Warsame Jama Hersi Osman Ismail Nur Yusuf Abdi Duale Elmi Guled Hirsi""",
    "arabic": """Haddad Nasser Al-Sayed Mansour Khalil Aziz Saleh Hamdan Darwish Abbas Fadel Karam Rahman Younis
        El-Amin""",
}
#: How many in a thousand come from each list.
SHARES = {"english": 720, "south_asian": 130, "polish": 70, "somali": 40, "arabic": 40}
STREETS = """Mill Lane|Station Road|Church Street|High Street|Victoria Road|Park Avenue|Chapel Hill|Green Lane|Queens
 Road|Canal Street|Moor View|Quarry Bank|Beech Grove|Albert Terrace|Weavers Court|Fairfield Road|Northgate|Tanner Row
|Priory Close|Sycamore Drive""".replace("\n", "").split("|")
NICKNAMES = {
    "Thomas": "Tom", "William": "Will", "Joshua": "Josh", "Daniel": "Dan", "Samuel": "Sam", "Joseph": "Joe",
    "Benjamin": "Ben", "Charlotte": "Charlie", "Rebecca": "Becky", "Abigail": "Abi", "Bethany": "Beth",
    "Elizabeth": "Liz", "Jessica": "Jess", "Mohammed": "Mo", "Muhammad": "Mo", "Aleksandra": "Ola", "Jakub": "Kuba",
    "Katie": "Kate", "Zachary": "Zak", "Nathan": "Nate", "Oliver": "Ollie", "Jacob": "Jake", "Megan": "Meg",
}  # fmt: skip


def origin(draw: random.Random) -> str:
    return draw.choices(list(SHARES), weights=list(SHARES.values()))[0]


def given(draw: random.Random, sex: str, of: str) -> str:
    return draw.choice((FEMALE if sex == "female" else MALE)[of].split())


def family(draw: random.Random, of: str) -> str:
    """A surname; now and then two of them, joined."""
    name = draw.choice(FAMILY[of].split())
    if draw.random() < 0.05:
        other = draw.choice(FAMILY["english"].split())
        return f"{name}-{other}" if other != name else name
    return name
