"""ComfyUI adapters: a schema and one call into the engine each."""

from __future__ import annotations

import logging

from comfy_api.latest import ComfyExtension, io


class RegionFieldsExtension(ComfyExtension):
    """The nodes of the pack, each by name."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        try:
            return _nodes()
        except Exception:
            # ComfyUI keeps one line of it, which never says where.
            logging.exception("Region Fields could not be loaded.")
            raise


def _nodes() -> list[type[io.ComfyNode]]:
    from . import (
        apply,
        blend,
        convert,
        cover,
        curve,
        edit,
        exchange,
        field,
        files,
        filter,
        load,
        look,
        measure,
        preview,
        sampling,
        segment,
        segment_prompts,
        select,
        shape,
    )

    return [
        load.LoadSam2,
        segment.SegmentEverything,
        segment_prompts.SegmentPrompts,
        select.SelectRegions,
        select.SortRegions,
        select.SelectSubject,
        filter.FilterRegions,
        filter.RemoveDuplicates,
        filter.MagicWand,
        edit.CombineRegions,
        edit.MergeRegions,
        edit.SplitIslands,
        edit.CleanRegions,
        edit.GrowRegions,
        edit.SmoothRegions,
        edit.FeatherRegions,
        edit.SnapRegions,
        edit.NestRegions,
        cover.MeasureCoverage,
        cover.FillCoverage,
        cover.SoftShares,
        field.FieldFromDepth,
        field.FieldFromDistance,
        shape.FieldFromShape,
        shape.FieldFrom3DPoint,
        shape.FieldFromImageRange,
        blend.BlendRegionStrengths,
        curve.FieldCurve,
        field.CombineFields,
        curve.SnapField,
        curve.SmoothOverTime,
        sampling.FieldToDenoiseMask,
        sampling.RegionalWeights,
        sampling.SplitDenoise,
        sampling.ResizeFieldToLatent,
        apply.CompositeByField,
        look.GradeByField,
        look.BlurByField,
        look.RelightByField,
        look.HazeByField,
        preview.PreviewRegions,
        preview.PreviewField,
        measure.MeasureField,
        measure.CompareMasks,
        filter.RegionTable,
        convert.RegionsToMasks,
        convert.MasksToRegions,
        filter.NameRegions,
        exchange.BoxesToRegions,
        exchange.CropRegions,
        exchange.PasteCrops,
        exchange.RegionsToLayers,
        exchange.RegionsToLabelMap,
        exchange.LabelMapToRegions,
        exchange.RegionsToSEGS,
        exchange.SEGSToRegions,
        exchange.RegionsToCOCO,
        exchange.COCOToRegions,
        files.SaveRegions,
        files.LoadRegions,
    ]
