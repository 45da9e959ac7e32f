"""Journeys: whole stories of patients, played on real servers and compared with what must stand.

    script    fixtures/<journey>/journey.yaml as frozen objects
    hosts     a FHIR server as the story sees it: records are put there, it fails, it is read
    estate    the servers and the store that a bridge works on, and how to wait for it
    compare   what stands on the servers against what the journey expects
    play      a journey from its first step to its last

The demo, the tests against embedded servers and those against a real HAPI play the same files.
"""
