"""The zone of a country's capital: what decides where a number alone leaves several zones.

One line for each region (ISO 3166-1) of every calling code for which libphonenumber can name more
than one zone; `tests/domain/test_subscriber_zones.py` holds the table complete. Which city is the
capital: the United Nations' list of capital cities; which zone it is in: the IANA time zone
database (`zone.tab`).
"""

CAPITAL_ZONES = {
    # +1
    "US": "America/New_York",
    "AG": "America/Antigua",
    "AI": "America/Anguilla",
    "AS": "Pacific/Pago_Pago",
    "BB": "America/Barbados",
    "BM": "Atlantic/Bermuda",
    "BS": "America/Nassau",
    "CA": "America/Toronto",
    "DM": "America/Dominica",
    "DO": "America/Santo_Domingo",
    "GD": "America/Grenada",
    "GU": "Pacific/Guam",
    "JM": "America/Jamaica",
    "KN": "America/St_Kitts",
    "KY": "America/Cayman",
    "LC": "America/St_Lucia",
    "MP": "Pacific/Saipan",
    "MS": "America/Montserrat",
    "PR": "America/Puerto_Rico",
    "SX": "America/Lower_Princes",
    "TC": "America/Grand_Turk",
    "TT": "America/Port_of_Spain",
    "VC": "America/St_Vincent",
    "VG": "America/Tortola",
    "VI": "America/St_Thomas",
    # +7
    "RU": "Europe/Moscow",
    "KZ": "Asia/Almaty",
    # Europe
    "ES": "Europe/Madrid",
    "FI": "Europe/Helsinki",
    "AX": "Europe/Mariehamn",
    "GB": "Europe/London",
    "GG": "Europe/Guernsey",
    "IM": "Europe/Isle_of_Man",
    "JE": "Europe/Jersey",
    "IE": "Europe/Dublin",
    "IT": "Europe/Rome",
    "VA": "Europe/Vatican",
    "NO": "Europe/Oslo",
    "SJ": "Arctic/Longyearbyen",
    "PT": "Europe/Lisbon",
    # Africa
    "CD": "Africa/Kinshasa",
    "RE": "Indian/Reunion",
    "YT": "Indian/Mayotte",
    # the Americas beyond +1
    "BR": "America/Sao_Paulo",
    "BQ": "America/Kralendijk",
    "CW": "America/Curacao",
    "EC": "America/Guayaquil",
    "GL": "America/Nuuk",
    "MX": "America/Mexico_City",
    # Asia and the Pacific
    "AU": "Australia/Sydney",
    "CC": "Indian/Cocos",
    "CX": "Indian/Christmas",
    "FM": "Pacific/Pohnpei",
    "ID": "Asia/Jakarta",
    "KI": "Pacific/Tarawa",
    "MN": "Asia/Ulaanbaatar",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
}
