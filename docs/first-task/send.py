"""Put records of this folder on a FHIR server, with days that lie ahead of today.

    python3 docs/first-task/send.py http://127.0.0.1:8080/fhir chart.json

Needs nothing but Python. @TODAY@, @DAY@ (of the infusion, in six days) and @LATER@ are filled
in; a Bundle is posted as a transaction, anything else is put under its own id.
"""

import json
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

DAYS = {"@TODAY@": 0, "@DAY@": 6, "@LATER@": 180}


def main(base: str, name: str) -> None:
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    today = datetime.now().astimezone().date()
    for mark, ahead in DAYS.items():
        text = text.replace(mark, (today + timedelta(days=ahead)).isoformat())
    record = json.loads(text)
    bundle = record["resourceType"] == "Bundle"
    url = base if bundle else f"{base}/{record['resourceType']}/{record['id']}"
    headers = {"Content-Type": "application/fhir+json"}
    method = "POST" if bundle else "PUT"
    request = urllib.request.Request(url, text.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            print(f"{name}: {answer.status}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{name}: {error.code} {error.read().decode(errors='replace')[:500]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
