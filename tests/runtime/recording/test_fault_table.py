"""Which test holds each row of the table of what breaks systems like this one."""

import ast
import json
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
RESULTS = TESTS.parent / "benchmarks" / "results"

ROWS: dict[int, tuple[str, ...]] = {
    1: (
        "runtime/recording/test_faults.py::test_bad_samples_are_counted_and_change_nothing",
        "runtime/ingestion/test_inputs.py::test_each_bad_stamp_has_its_name_and_counter",
        "runtime/recording/test_faults.py::test_a_real_headset_session_runs_through_as_recorded",
    ),
    2: (
        "runtime/recording/test_faults.py::test_bad_samples_are_counted_and_change_nothing",
        "runtime/ingestion/test_inputs.py::test_no_rubbish_silences_a_stream",
        "runtime/estimation/test_at_time.py::test_bad_times_are_named",
    ),
    3: (
        "runtime/recording/test_faults.py::test_a_gap_is_named_and_over_within_bounds",
        "runtime/recording/test_faults.py::test_gaps_of_any_length_leave_no_scar",
    ),
    4: (
        "runtime/recording/test_faults.py::test_dropped_and_late_frames_only_thin_the_poses_out",
        "runtime/recording/test_faults.py::test_jitter_costs_accuracy_but_no_sample",
        "runtime/recording/test_faults.py::test_without_images_the_pose_stops_with_its_frames",
        "runtime/live/test_worker.py::test_without_cameras_the_pose_goes_on",
    ),
    5: ("runtime/recording/test_faults.py::test_an_acceleration_at_its_stops_stays_bounded",),
    6: (
        "runtime/recording/test_faults.py::test_an_hour_of_clock_offset_is_estimated_or_refused",
        "runtime/recording/test_faults.py::test_views_two_milliseconds_apart_are_still_stereo",
        "runtime/ingestion/test_inputs.py::test_clock_offset_and_drift_are_learnt",
    ),
    7: ("runtime/recording/test_fault_table.py::test_the_perturbation_sweep_is_published",),
    8: (
        "runtime/recording/test_faults.py::test_the_clean_run_is_clean_and_repeats_to_the_bit",
        "runtime/test_tracker.py::test_a_replay_is_equal_bit_for_bit_and_reset_forgets_everything",
    ),
    9: ("runtime/live/test_worker.py::test_the_newest_frame_wins_under_overload",),
    10: (
        "engines/bundle/test_reader.py::test_every_flipped_byte_of_the_manifest_is_noticed",
        "engines/bundle/test_reader.py::test_every_flipped_byte_of_a_graph_is_noticed",
        "engines/bundle/test_reader.py::test_truncated_files_are_refused",
        "engines/bundle/test_reader.py::test_swapped_graphs_are_refused_even_when_signed",
        "engines/bundle/test_reader.py::test_wrong_shapes_are_refused_even_when_signed",
    ),
    11: (
        "engines/bundle/test_onnx_guard.py::test_external_data_is_refused",
        "engines/bundle/test_reader.py::test_links_are_refused",
        "engines/tensorrt/test_build.py::test_a_tampered_plan_is_never_run_but_built_again",
        "engines/tensorrt/test_build.py::test_plan_files_outside_the_bundle_are_refused",
        "model/test_checkpoint.py::test_a_pickle_that_carries_code_is_refused_and_not_run",
    ),
    12: (
        "runtime/live/test_worker.py::test_two_threads_push_and_one_reads",
        "runtime/test_tracker.py::test_results_belong_to_the_caller",
    ),
    13: (
        "runtime/live/test_memory.py::test_memory_and_latency_are_flat_over_hundreds_of_frames",
        "runtime/live/test_memory.py::test_memory_and_latency_are_flat_over_minutes_of_frames",
    ),
    14: (
        "runtime/live/test_worker.py::test_a_program_that_forgets_to_stop_still_ends",
        "runtime/live/test_worker.py::test_a_forked_child_is_told_and_ends",
        "runtime/live/test_worker.py::test_a_child_of_a_bare_fork_ends_with_its_own_status",
        "runtime/live/test_worker.py::test_a_failing_engine_or_callback_does_not_end_the_stream",
        "runtime/live/test_worker.py::test_a_callback_may_stop_the_tracker",
    ),
    15: (
        "runtime/recording/test_faults.py::test_relocalisation_moves_the_body_and_keeps_its_shape",
        "runtime/estimation/test_relocalisation.py::test_the_body_keeps_its_shape",
        "runtime/estimation/test_relocalisation.py::test_leg_sensors_follow_a_recentred_headset",
        "runtime/estimation/test_relocalisation.py::test_a_turn_alone_is_noticed_between_frames",
    ),
    16: (
        "runtime/recording/test_faults.py::test_nonsense_is_named_within_bounds_and_over_again",
        "runtime/estimation/test_plausibility.py::test_a_real_headset_session_raises_nothing",
        "runtime/estimation/test_plausibility.py::test_captured_motion_raises_nothing",
        "runtime/estimation/test_plausibility.py::test_the_demo_recording_raises_nothing",
    ),
}
"""Number of the row -> tests of its expected outcome."""


@pytest.mark.parametrize("row", sorted(ROWS))
def test_every_row_has_its_tests(row: int) -> None:
    for name in ROWS[row]:
        path, _, function = name.partition("::")
        tree = ast.parse((TESTS / path).read_text())
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert function in found, f"row {row}: {name} is gone"


def test_the_perturbation_sweep_is_published() -> None:
    """Row 7: errors at every level of noise, drops, blur and covered cameras, no verdict."""
    report = json.loads((RESULTS / "perturbations.json").read_text())
    swept = {row["perturbation"] for row in report["rows"]}
    assert {"image noise", "blur", "lost frames", "lost device samples"} <= swept
    assert any("covered" in name for name in swept)
    assert all(row["mpjpe_mm"] > 0 for row in report["rows"])
