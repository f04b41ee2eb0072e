"""check.py: what is over its limit, unknown or not measured fails; what is not does not."""
import unittest

import check

TABLE = check.read_table("""
# scenario metric limit within goal
one  packets       4     0   4    why
one  instructions  1000  3%  500
one  turns         2     0   -
""")


def judged(**changes):
    measured = {("one", "packets"): 4.0, ("one", "instructions"): 1000.0, ("one", "turns"): 2.0}
    measured.update({("one", metric): value for metric, value in changes.items()})
    return check.judge(TABLE, {key: value for key, value in measured.items() if value is not None})


class CheckTest(unittest.TestCase):
    def test_limits_themselves_are_good(self):
        lines, good = judged()
        self.assertTrue(good)
        self.assertEqual(len(lines), 4)
        self.assertIn("to go: +500", lines[2])

    def test_exact_means_exact(self):
        lines, good = judged(packets=4.001)
        self.assertFalse(good)
        self.assertIn("OVER BUDGET", lines[1])

    def test_tolerance(self):
        self.assertTrue(judged(instructions=1030.0)[1])
        self.assertFalse(judged(instructions=1031.0)[1])

    def test_a_gain_is_good_and_said(self):
        lines, good = judged(turns=1.0, instructions=900.0)
        self.assertTrue(good)
        self.assertIn("can go down to 1", lines[3])
        self.assertIn("can go down to 900", lines[2])

    def test_a_missing_figure_fails(self):
        self.assertFalse(judged(turns=None)[1])

    def test_an_unknown_figure_fails(self):
        self.assertFalse(judged(other=1.0)[1])

    def test_a_line_twice_is_an_error(self):
        with self.assertRaises(ValueError):
            check.read_table("a b 1 0 1\na b 2 0 1\n")


if __name__ == "__main__":
    unittest.main()
