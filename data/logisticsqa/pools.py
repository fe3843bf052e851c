"""Words, labels and reference formats that the worlds of LogisticsQA-gen are drawn from."""

from __future__ import annotations

import numpy as np

# What a number in a document is called, by language: none of these tells alone which one is wanted.
LABELS = {
    "en": {
        "bl": ["B/L", "BL no", "Bill of Lading No", "HBL no", "MBL no", "Sea waybill"],
        "awb": ["AWB", "Air waybill no", "HAWB", "MAWB"],
        "container": ["Container", "CNTR", "Container no", "Unit"],
        "file": ["File no", "Our Reference", "OUR REF.", "Job no", "Position No", "Case no"],
        "customer": ["Your Reference", "YOUR REF.", "Customer Reference", "Client file", "Cust. no"],
        "booking": ["Booking", "Booking no", "BKG", "Carrier booking"],
        "trip": ["Trip", "Tour no", "Manifest", "Route sheet"],
        "cmr": ["CMR", "CMR no", "Road waybill", "Consignment note"],
        "shipment": ["Shipment Ref", "Shipment no", "Shipping order", "Transport ID"],
        "order": ["PO", "Order no", "Purchase order", "Delivery note", "Contract"],
    },
    "it": {
        "bl": ["Polizza di carico", "Pol.", "B/L nr", "Ns. polizza"],
        "awb": ["LTA", "Lettera aerea", "AWB nr"],
        "container": ["Cntr", "Contenitore", "Cont. nr"],
        "file": ["Ns. rif.", "Pratica n.", "Posizione", "Nostra pratica"],
        "customer": ["Vs. rif.", "Vostro riferimento", "Rif. cliente", "Codice pratica cliente"],
        "booking": ["Prenotazione", "Nr. booking", "Rif. imbarco"],
        "trip": ["Viaggio n.", "Bordero", "Foglio di viaggio"],
        "cmr": ["Lettera di vettura", "CMR nr", "LDV"],
        "shipment": ["Spedizione", "Nr. spedizione", "Rif. spedizione"],
        "order": ["Ordine", "DDT", "Commessa", "Ord. acquisto"],
    },
    "tr": {
        "bl": ["Konşimento no", "BL No", "HBL No", "Ana konşimento"],
        "awb": ["Hava konşimentosu", "AWB No", "MAWB No"],
        "container": ["Konteyner", "Kont. no", "Ekipman"],
        "file": ["Dosya no", "PosNo", "Pozisyon", "İş emri"],
        "customer": ["RefNo", "Müşteri ref", "Referansınız", "Cari ref"],
        "booking": ["Rezervasyon", "Booking no", "Rez. no"],
        "trip": ["Sefer no", "Araç seferi", "Yük listesi"],
        "cmr": ["CMR belgesi", "Taşıma senedi", "CMR No"],
        "shipment": ["Sevkiyat no", "Yükleme no", "Gönderi"],
        "order": ["Sipariş no", "Irsaliye no", "SAS no"],
    },
    "es": {
        "bl": ["Conocimiento de embarque", "B/L núm.", "Guía marítima"],
        "awb": ["Guía aérea", "AWB núm.", "Guía master"],
        "container": ["Contenedor", "Cont.", "Equipo"],
        "file": ["Expediente", "Nuestra ref.", "Folio interno", "Operación"],
        "customer": ["Su referencia", "S/Ref.", "Ref. cliente"],
        "booking": ["Reserva", "Booking núm.", "Núm. reserva"],
        "trip": ["Viaje", "Manifiesto", "Hoja de ruta"],
        "cmr": ["Carta de porte", "Albarán de transporte", "CMR núm."],
        "shipment": ["Embarque", "Envío núm.", "Ref. embarque"],
        "order": ["Pedido", "Orden de compra", "Albarán"],
    },
    "de": {
        "bl": ["Konnossement", "B/L Nr.", "Seefrachtbrief"],
        "awb": ["Luftfrachtbrief", "AWB Nr.", "LFB"],
        "container": ["Containernummer", "Cont.-Nr.", "Behälter"],
        "file": ["Unser Zeichen", "Pos.-Nr.", "Auftrag intern", "Vorgang"],
        "customer": ["Ihr Zeichen", "Kundenreferenz", "Ihre Ref."],
        "booking": ["Buchung", "Buchungsnr.", "Reederei-Buchung"],
        "trip": ["Tour", "Fahrt Nr.", "Ladeliste"],
        "cmr": ["Frachtbrief", "CMR-Nr.", "Speditionsauftrag"],
        "shipment": ["Sendung", "Sendungsnr.", "Transportnr."],
        "order": ["Bestellung", "Lieferschein", "Auftrag Kunde"],
    },
}

# Things billed. Those under "none" make the invoice one without reference at some suppliers only.
CHARGES = {
    "en": ["Ocean freight", "Terminal handling charge", "Documentation fee", "ISPS fee", "Release fee",
           "Merchant haulage admin fee", "Bunker adjustment", "Pick up service", "Peak season surcharge",
           "Container protection fee", "Cartage", "Seal check", "VGM service", "Handling out"],
    "it": ["Nolo marittimo", "Operazioni doganali", "Diritti fissi", "Spese di documentazione",
           "Trasporto su strada", "Addizionale carburante", "Emissione documenti", "Movimentazione"],
    "tr": ["Navlun bedeli", "Nakliye bedeli", "Liman hizmetleri", "Evrak ücreti", "Terminal hizmeti",
           "Yükleme hizmeti", "Dahili taşıma", "Ordino ücreti"],
    "es": ["Flete marítimo", "Maniobras", "Gastos de documentación", "Acarreo", "Manejo en terminal",
           "Recargo de combustible", "Limpieza básica", "Cargo por liberación"],
    "de": ["Seefracht", "Vorlauf", "Nachlauf", "Dokumentengebühr", "Umschlag", "Maut", "Dieselzuschlag",
           "Abfertigung"],
}  # fmt: skip
NONE_CHARGES = {
    "en": ["Storage", "Demurrage", "Detention", "Customs clearance only", "Waiting time", "Pallet exchange",
           "Warehouse rent", "Annual service fee", "Price correction", "Cleaning only"],
    "it": ["Giacenza", "Controstallie", "Sola dogana", "Sosta mezzo", "Affitto magazzino",
    "Rettifica prezzo"],
    "tr": ["Ardiye", "Demuraj", "Bekleme ücreti", "Gümrükleme hizmeti", "Depo kirası", "Fiyat farkı"],
    "es": ["Almacenaje", "Demoras", "Estadías", "Solo despacho aduanal", "Renta de bodega",
    "Ajuste de precio"],
    "de": ["Lagergeld", "Standgeld", "Nur Verzollung", "Palettentausch", "Lagermiete", "Preiskorrektur"],
}  # fmt: skip
SERVICES = {
    "en": ["IMPORT LCL", "EXPORT FCL", "door delivery", "cross trade", "express line", "port to port"],
    "it": ["import groupage", "export completo", "resa a domicilio", "linea espressa"],
    "tr": ["ithalat parsiyel", "ihracat komple", "kapı teslim", "ekspres hat"],
    "es": ["importación LCL", "exportación FCL", "entrega a domicilio", "línea exprés"],
    "de": ["Import Sammelgut", "Export Komplett", "frei Haus", "Expresslinie"],
}
NETWORKS = [
    "Orbis", "Baltica", "Kronos", "Levantis", "Meridian", "Polaris", "Tessera", "Vektor", "Aurora", "Caravel",
    "Delphin", "Equator", "Falken", "Gallion", "Halcyon", "Indigo", "Jupiter", "Kestrel", "Lodestar",
    "Mistral",
]  # fmt: skip
CUES = [
    "Partner of the {} network", "{} groupage service", "General conditions {} apply", "via hub {}",
    "{} Alliance member", "Tariff {} 2024", "Desk {}", "{} line agency", "Programme {}",
]  # fmt: skip
NOISE = {
    "en": ["Payment Conditions: TP02", "Serves as a delivery note", "EXEMPT", "SALE", "Document Type: TD01",
           "No withholding tax applies when not self-owned according to law",
           "For invoices not paid by due date, 3% monthly interest is charged under our conditions",
           "PLEASE INDICATE THE INVOICE NUMBER IN THE DESCRIPTION OF YOUR BANK TRANSFER RECEIPT",
           "All business is transacted under the standard trading conditions, copies on request",
           "Complaints are accepted in writing within eight days of receipt"],
    "it": ["Condizioni di pagamento: TP02", "Modalità: MP05", "Operazione non imponibile art. 9",
           "Imposta di bollo assolta in modo virtuale", "Contributo ambientale CONAI assolto ove dovuto",
           "In caso di ritardato pagamento saranno addebitati gli interessi di mora di legge",
           "Reclami entro otto giorni dal ricevimento della fattura", "Tipo documento: TD01",
           "Bonifico bancario 60 giorni data fattura fine mese"],
    "tr": ["SATIŞ", "İSTİSNA", "İrsaliye yerine geçer", "Tevkifat uygulanmamıştır",
           "Vadesinde ödenmeyen faturalara aylık %3 gecikme faizi uygulanır",
           "Lütfen havale açıklamasına fatura numarasını yazınız",
           "Faturaya itiraz süresi tebliğ tarihinden itibaren sekiz gündür",
           "3065 sayılı Kanunun 14/1 maddesine göre KDV hesaplanmamıştır"],
    "es": ["Regimen fiscal: 601 - UsoCFDI: G03", "Pago en una sola exhibición", "Método de pago: PPD",
           "Este documento es una representación impresa de un CFDI", "Forma de pago: 99 por definir",
           "El incumplimiento del pago causará intereses moratorios del 3% mensual",
           "Favor de indicar el número de factura en su transferencia bancaria",
           "Servicio sujeto a los términos y condiciones generales publicados"],
    "de": ["Zahlbar ohne Abzug innerhalb von 30 Tagen", "Steuerfrei nach § 4 Nr. 3 UStG",
           "Wir arbeiten ausschließlich auf Grundlage der ADSp 2017, neueste Fassung",
           "Leistungsdatum gleich Rechnungsdatum", "Es gelten unsere Geschäftsbedingungen",
           "Bei Zahlungsverzug berechnen wir Zinsen nach § 288 BGB",
           "Bitte geben Sie bei Überweisung die Rechnungsnummer an"],
}  # fmt: skip
COOPERATIVE = {
    "en": "TRANSPORTATION BY COOPERATIVE MEMBERS", "it": "trasporto eseguito da soci della cooperativa",
    "tr": "kooperatif üyesi araçlarla taşınmıştır", "es": "servicio de la cooperativa de transporte",
    "de": "Beförderung durch Genossenschaftsmitglieder",
}  # fmt: skip
COUNTRIES = {
    "en": [
        ("GB", "Felixstowe", "Ltd"),
        ("GB", "Dover", "Ltd"),
        ("IE", "Cork", "Ltd"),
        ("US", "Savannah", "Inc."),
    ],
    "it": [("IT", "Genova", "S.r.l."), ("IT", "La Spezia", "S.p.A."), ("IT", "Trieste", "S.r.l.")],
    "tr": [("TR", "Gemlik", "A.Ş."), ("TR", "Ambarlı", "Ltd. Şti."), ("TR", "Mersin", "A.Ş.")],
    "es": [("MX", "Veracruz", "S.A. de C.V."), ("MX", "Manzanillo", "S.A."), ("ES", "Valencia", "S.L.")],
    "de": [("DE", "Hamburg", "GmbH"), ("DE", "Bremerhaven", "GmbH & Co. KG"), ("AT", "Linz", "GmbH")],
}
NAME_FIRST = [
    "Nord", "Blue", "Adria", "Bosporus", "Atlas", "Castell", "Delta", "Elbe", "Fjord", "Gulf", "Harbour",
    "Iber",
    "Janus", "Karat", "Luna", "Marmara", "Neptun", "Orient", "Pacific", "Quay", "Rhein", "Sierra", "Tirreno",
    "Union", "Vela", "Weser", "Xalapa", "Yildiz", "Zenith", "Anker", "Brigg", "Cargo",
]  # fmt: skip
NAME_SECOND = [
    "Freight", "Lojistik", "Spedition", "Logistica", "Shipping", "Transporti", "Forwarding", "Maritime",
    "Cargas",
    "Nakliyat", "Lines", "Agency", "Trans", "Overseas",
]  # fmt: skip
BUYERS = [
    "Omnitex",
    "Ferrostahl",
    "Granit",
    "Helio Ceramics",
    "Palmira Foods",
    "Sirocco Textiles",
    "Tekno Motor",
]
VESSELS = ["OCEAN VOYAGER", "PACIFIC HORIZON", "NORDIC STAR", "MSC VICTORIA", "EVER LUCID", "ATLANTIC PEARL"]
PORTS = ["ISTANBUL", "GENOVA", "HAMBURG", "VERACRUZ", "SHANGHAI", "DURBAN", "SANTOS", "FELIXSTOWE", "DUBAI"]
WORDS = ["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"]
SCHEMES = ["AAJ", "AAK", "AAM", "AAS", "AWB", "BM", "MB", "BN", "CN", "CU", "AAO", "FF", "CMR", "CT", "ON",
           "SRN", "UCN", "AAQ", "MWB", "HWB", "DQ"]  # fmt: skip
# Elements of structured documents that carry a number, in the order of the standard, and what kind it is.
_INVOICE = [
    "BuyerReference", "OrderReference/ID", "OrderReference/SalesOrderID", "DespatchDocumentReference/ID",
    "ReceiptDocumentReference/ID", "ContractDocumentReference/ID", "Delivery/TrackingID",
]  # fmt: skip
_SHIPMENT = [
    "Shipment/ID", "Shipment/Consignment/ID", "Shipment/Consignment/CarrierAssignedID",
    "Shipment/Consignment/FreightForwarderAssignedID", "Shipment/Delivery/TrackingID",
    "Shipment/TransportHandlingUnit/ID", "Shipment/TransportHandlingUnit/TransportEquipment/ID",
]  # fmt: skip
SLOTS = {
    "Invoice": _INVOICE,
    "DespatchAdvice": ["OrderReference/ID", "OrderReference/SalesOrderID", *_SHIPMENT],
    "Waybill": ["CarrierAssignedID", "ShippingOrderID", *_SHIPMENT],
}
SLOT_KINDS = {
    "BuyerReference": "customer", "OrderReference/ID": "order", "OrderReference/SalesOrderID": "file",
    "DespatchDocumentReference/ID": "trip", "ReceiptDocumentReference/ID": "order",
    "Delivery/TrackingID": "shipment",
    "ContractDocumentReference/ID": "file", "Shipment/ID": "shipment", "Shipment/Consignment/ID": "cmr",
    "Shipment/Consignment/CarrierAssignedID": "bl", "Shipment/Consignment/FreightForwarderAssignedID": "file",
    "Shipment/Delivery/TrackingID": "trip", "Shipment/TransportHandlingUnit/ID": "sscc",
    "CarrierAssignedID": "bl",
    "Shipment/TransportHandlingUnit/TransportEquipment/ID": "container", "ShippingOrderID": "shipment",
    "AWB": "awb", "MWB": "awb", "HWB": "awb", "BM": "bl", "MB": "bl", "BN": "booking", "CMR": "cmr",
    "CT": "order",
    "ON": "order", "CU": "customer", "UCN": "mrn", "AAO": "trip", "AAS": "shipment", "SRN": "shipment",
}  # fmt: skip
# Kinds that general knowledge takes for a transport reference.
NATURAL = ("bl", "awb", "container", "shipment", "booking", "cmr", "sscc")
# Formats of house numbers: @ is a letter the supplier keeps, ? any letter, # any digit.
FORMATS = {
    "bl": ["@@@@######", "@@@/###/#####", "@@@@#?######", "@@@#########", "@@##########"],
    "file": ["@@@/@@@/#######", "@##/#####", "@@-##-#####", "@@@@##-#######", "@#?#??###", "######@@"],
    "customer": ["##########", "45########", "@@-########", "########-####"],
    "booking": ["@@@#######", "#########", "@@@@@######"],
    "trip": ["#######", "@####-###", "@@#######"],
    "cmr": ["@@######", "CMR######", "###-#######", "@##########"],
    "shipment": ["@@@-########", "@@#######", "@@@######@"],
    "order": ["PO-########", "45########", "@@/######", "0##########"],
}


def digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(d) for d in rng.integers(0, 10, count))


def letters(rng: np.random.Generator, count: int) -> str:
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i] for i in rng.integers(0, 26, count))


def fill(rng: np.random.Generator, template: str) -> str:
    """The template with digits for # and letters for ?; no leading zero in a plain number."""
    made = "".join(digits(rng, 1) if c == "#" else letters(rng, 1) if c == "?" else c for c in template)
    return "7" + made[1:] if made[0] == "0" and template[0] == "#" else made


def keep(rng: np.random.Generator, template: str) -> str:
    """The supplier's own version of a format: its letters chosen once."""
    return "".join(letters(rng, 1) if c == "@" else c for c in template)


_ISO_VALUES = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n % 11), strict=True))


def iso6346_digit(body: str) -> int:
    """The check digit of a container number's first ten characters (also of 17 of a customs MRN)."""
    values = [int(c) if c.isdigit() else _ISO_VALUES[c] for c in body]
    return sum(value * 2**at for at, value in enumerate(values)) % 11 % 10


def container(rng: np.random.Generator, valid: bool) -> str:
    """A container number, its check digit right (ISO 6346) or surely wrong."""
    body = letters(rng, 3) + "U" + digits(rng, 6)
    right = iso6346_digit(body)
    return body + str(right if valid else (right + int(rng.integers(1, 10))) % 10)


def air_waybill(rng: np.random.Generator) -> str:
    """Airline prefix, serial of seven digits and its remainder by 7."""
    serial = digits(rng, 7)
    return f"{rng.choice(['020', '157', '176', '235', '406', '784'])}-{serial}{int(serial) % 7}"


def gs1_digit(body: str) -> int:
    return -sum(int(d) * (3 if at % 2 == 0 else 1) for at, d in enumerate(reversed(body))) % 10


def sscc(rng: np.random.Generator) -> str:
    body = "3" + "40" + digits(rng, 14)
    return body + str(gs1_digit(body))


def gsin(rng: np.random.Generator) -> str:
    body = "40" + digits(rng, 14)
    return body + str(gs1_digit(body))


def mrn(rng: np.random.Generator) -> str:
    """A customs movement reference number of 18 characters."""
    body = "24" + str(rng.choice(["IT", "DE", "TR", "ES", "GB"])) + letters(rng, 2) + digits(rng, 11)
    return body + str(iso6346_digit(body))


def iban(rng: np.random.Generator, country: str) -> str:
    """An account number with a valid ISO 7064 remainder; the length is not that of every country."""
    body = digits(rng, 18)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    return f"{country}{98 - number % 97:02d}{body}"


def reference(rng: np.random.Generator, kind: str, template: str) -> str:
    """A reference of this kind; the template is the supplier's own."""
    if kind == "container":
        return container(rng, bool(rng.random() < 0.1))
    if kind == "awb":
        return air_waybill(rng)
    return fill(rng, template)


def filled(rng: np.random.Generator, note: str, country: str) -> str:
    """{blanks} of a noise sentence filled with what it talks about."""
    words = "".join(str(w) for w in rng.choice(WORDS, 4))
    day = f"{rng.integers(1, 29):02d}/{rng.integers(1, 13):02d}/24"
    blanks = {
        "vessel": rng.choice(VESSELS), "voyage": f"{letters(rng, 2)}{digits(rng, 3)}W",
        "port": rng.choice(PORTS), "kg": f"{rng.integers(50, 25000)}.000", "rate": f"33.{digits(rng, 4)}",
        "words": words, "day": day, "iban": iban(rng, country) if "{iban}" in note else "",
        "stamp": _stamp(rng) if "{stamp}" in note else "",
    }  # fmt: skip
    return note.format(**blanks)


def _stamp(rng) -> str:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), 72)) + "=="
