"""The comparison of tests/costs/check, without a program to measure."""
import importlib.machinery
import importlib.util
import os
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check")
loader = importlib.machinery.SourceFileLoader("check", PATH)
loader_spec = importlib.util.spec_from_loader("check", loader)
check = importlib.util.module_from_spec(loader_spec)
loader.exec_module(check)


class Comparison(unittest.TestCase):
    BASELINE = {"apply": [1000.0, 10.0, 500.0]}

    def test_the_same_and_up_to_ten_percent_more_is_fine(self):
        self.assertEqual(check.complaints({"apply": [1000.0, 10.0, 500.0]}, self.BASELINE), [])
        self.assertEqual(check.complaints({"apply": [1099.0, 10.9, 500.0]}, self.BASELINE), [])

    def test_eleven_percent_more_instructions_or_allocations_is_named(self):
        self.assertEqual(check.complaints({"apply": [1110.0, 10.0, 500.0]}, self.BASELINE),
                         ["apply: instructions 1000.00 -> 1110.00 per unit"])
        self.assertEqual(check.complaints({"apply": [1000.0, 11.1, 500.0]}, self.BASELINE),
                         ["apply: allocations 10.00 -> 11.10 per unit"])

    def test_a_first_allocation_is_named(self):
        self.assertEqual(check.complaints({"apply": [1.0, 0.5, 0.0]}, {"apply": [1.0, 0.0, 0.0]}),
                         ["apply: allocations 0.00 -> 0.50 per unit"])

    def test_fewer_is_fine_and_bytes_are_not_judged(self):
        self.assertEqual(check.complaints({"apply": [10.0, 1.0, 9999.0]}, self.BASELINE), [])

    def test_work_without_a_baseline_and_a_baseline_without_work_are_named(self):
        self.assertEqual(check.complaints({"new": [1.0, 1.0, 1.0]}, self.BASELINE),
                         ["new: not in the baseline", "apply: in the baseline, but no longer measured"])

    def test_the_total_of_a_profile_is_found(self):
        self.assertEqual(check.instructions_in("version: 1\nsummary: 12345\n\nfn=(1)\n0 5\n"), 12345)


if __name__ == "__main__":
    unittest.main()
