"""Worked cases on real data that limelight demo trains. One file each."""
