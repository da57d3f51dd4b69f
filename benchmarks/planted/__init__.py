"""Small trainings in torch, healthy ones and ones with a planted fault, for rules of alerts."""
