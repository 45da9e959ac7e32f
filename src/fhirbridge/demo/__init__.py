"""The demo: three embedded FHIR servers, a bridge, and the journeys played on them.

estate      starts servers and bridge; the journeys' tests use it too
narrator    tells what happens, for people and for machines
run         `fhirbridge demo`
"""
