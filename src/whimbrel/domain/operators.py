"""The networks of Russian operators: from the registry's operator to `mccMnc` in reports.

The registry names an operator by its tax number (INN, `ИНН`). The network codes are those of the
country code 250 in ITU-T's list "Mobile Network Codes (MNC) for the international identification
plan" (E.212, annex to Operational Bulletin 1162 of 15 December 2018 and its amendments to 2025).
That list still names former holders of many codes, so the others are codes which their networks
broadcast and which public lists of networks in use agree upon. An operator with several codes, or
with one that another operator uses too, is left out: nothing is better than a wrong network.

Subscribers keep their numbers when they change operators; the registry does not know of it. So this
is the operator to which the number was first assigned.
"""

_RUSSIA = "250"
_CODES_BY_INN = {
    # By the name that the operator bears in ITU-T's list.
    "7740000076": "01",  # MTS: Mobile Telesystems
    "7812014560": "02",  # MegaFon: Megafon
    "7713076301": "99",  # VimpelCom: Beeline
    # Broadcast by the operator's own network, or written on its own SIM cards.
    "7701725181": "11",  # Scartel (Yota)
    "7743895280": "20",  # T2 Mobile
    "9705121882": "26",  # VTB Mobile
    "1681000024": "27",  # Tattelecom (Letai)
    "9204569240": "33",  # Sevtelecom
    "9102250133": "34",  # Krymtelecom
    "6661079603": "35",  # Ekaterinburg-2000 (Motiv)
    "7736264044": "50",  # Sberbank-Telecom
    "7702527584": "54",  # Miranda-Media
    "7718999159": "60",  # KTK Telecom (Volna)
    "7743200179": "62",  # T-Mob
}


def mcc_mnc_of(inn: str) -> str:
    """Return country and network code of the operator with a tax number; empty if not known."""
    code = _CODES_BY_INN.get(inn)
    return f"{_RUSSIA}{code}" if code else ""
