"""Accept key poses by clicking their pictures."""

from __future__ import annotations

import bpy

from ....networks.characters.profile import load_profile
from ....networks.errors import ExprGenError
from ....networks.vocabulary import EXPRESSION_COLOURS, EXPRESSIONS
from ...profiling import pose_proposals
from ...studio.key_pose_clarity import CLEAR
from .. import job_timer
from ..picture_board import LINE, Grid, Pictures, draw_frame, draw_words
from ..text_layout import shortened
from .try_controls import profile_path

TAKEN, LEFT = (0.25, 0.8, 0.4, 1.0), (0.1, 0.1, 0.1, 0.6)


class EXPRGEN_OT_choose_poses(bpy.types.Operator):
    """Show the pictures of the proposed key poses over the 3D view: click those that you don't
    want, or want again, then press Enter"""

    bl_idname = "exprgen.choose_poses"
    bl_label = "Choose by Pictures"

    @classmethod
    def poll(cls, context):
        path = profile_path(context)
        there = path is not None and path.with_suffix(".proposals.json").is_file()
        if not there:
            cls.poll_message_set("Propose key poses first")
        return there

    def invoke(self, context, event):
        area = context.area
        if area is None or area.type != "VIEW_3D":
            self.report({"ERROR"}, "Use it in a 3D view")
            return {"CANCELLED"}
        try:
            profile = load_profile(profile_path(context))
            proposals = pose_proposals.load_proposals(profile)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not proposals:
            self.report({"INFO"}, "All proposals are decided: propose again for more")
            return {"CANCELLED"}
        order = {e: i for i, e in enumerate(EXPRESSIONS)}
        self.poses = sorted(proposals, key=lambda p: (order[p.expression], -p.own))
        self.taken = {p.name for p in self.poses if p.verdict == CLEAR}
        folder = pose_proposals.pictures_folder(profile)
        self.pictures = Pictures([folder / f"{p.name}.png" for p in self.poses])
        self.page, self.area, self.over = 0, area, None
        self.region = next(r for r in area.regions if r.type == "WINDOW")
        self.handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        context.window_manager.modal_handler_add(self)
        context.window.cursor_modal_set("DEFAULT")
        area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if self.area not in list(context.screen.areas):  # it was closed, or made something else
            return self._end(context, {"CANCELLED"})
        self.area.tag_redraw()
        grid = self._grid()
        x, y = event.mouse_x - self.region.x, event.mouse_y - self.region.y
        if event.type == "ESC" and event.value == "PRESS":
            return self._end(context, {"CANCELLED"})
        if event.type in ("RET", "NUMPAD_ENTER") and event.value == "PRESS":
            return self._end(context, self._accept(context))
        if event.type in ("WHEELDOWNMOUSE", "PAGE_DOWN", "RIGHT_ARROW") and event.value == "PRESS":
            self.page = min(self.page + 1, grid.pages - 1)
        elif event.type in ("WHEELUPMOUSE", "PAGE_UP", "LEFT_ARROW") and event.value == "PRESS":
            self.page = max(self.page - 1, 0)
        elif event.type == "A" and event.value == "PRESS":
            names = {p.name for p in self.poses}
            self.taken = set() if self.taken == names else names
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            number = grid.at(x, y, self.page)
            if number is not None:
                self.taken ^= {self.poses[number].name}
            elif not (0 <= x < self.region.width and 0 <= y < self.region.height):
                return {"PASS_THROUGH"}
        elif event.type == "MOUSEMOVE":
            self.over = grid.at(x, y, self.page)
        else:
            return {"PASS_THROUGH"} if event.type == "TIMER" else {"RUNNING_MODAL"}
        return {"RUNNING_MODAL"}

    def cancel(self, context):
        self._end(context, {"CANCELLED"})

    def _accept(self, context) -> set[str]:
        try:
            profile = load_profile(profile_path(context))
            words = ",".join(p.name for p in self.poses if p.name in self.taken)
            _, gained = pose_proposals.accept(profile, words)
        except ExprGenError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        left = len(self.poses) - len(gained)
        self.report({"INFO"}, f"{len(gained)} key poses accepted, {left} left as proposals")
        return {"FINISHED"}

    def _end(self, context, result: set[str]) -> set[str]:
        if self.handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self.handle, "WINDOW")
            self.handle = None
            self.pictures.close()
            context.window.cursor_modal_restore()
            job_timer.redraw(viewport=True)
        return result

    def _grid(self) -> Grid:
        free = {r.type: r.width for r in self.area.regions if r.width > 1}
        above = sum(r.height for r in self.area.regions if r.type in ("HEADER", "TOOL_HEADER"))
        left, right = free.get("TOOLS", 0) + 12, free.get("UI", 0) + 12
        scale = bpy.context.preferences.system.ui_scale
        width = max(200.0, self.region.width - left - right)
        height = max(200.0, self.region.height - above - 24.0)
        return Grid(left, 12.0, width, height, len(self.poses), scale)

    def _draw(self) -> None:
        import gpu

        if bpy.context.area != self.area:
            return
        grid = self._grid()
        scale = grid.scale
        gpu.state.blend_set("ALPHA")
        draw_frame(0, 0, self.region.width, self.region.height, (0.06, 0.06, 0.07, 0.93))
        pages = f", page {self.page + 1} of {grid.pages} (wheel)" if grid.pages > 1 else ""
        draw_words(
            grid.left,
            grid.bottom + grid.height - LINE * scale,
            f"{len(self.taken)} of {len(self.poses)} taken{pages}.  Click: take or leave.  "
            "A: all or none.  Enter: accept.  Esc: leave as it is",
            scale,
        )
        for number in grid.shown(min(self.page, grid.pages - 1)):
            self._draw_cell(grid, number)
        gpu.state.blend_set("NONE")

    def _draw_cell(self, grid: Grid, number: int) -> None:
        pose, (x, y) = self.poses[number], grid.place(number)
        taken = pose.name in self.taken
        self.pictures.draw(number, x, y, grid.side)
        if not taken:
            draw_frame(x, y, grid.side, grid.side, LEFT)
        if number == self.over:
            draw_frame(x - 2, y - 2, grid.side + 4, grid.side + 4, (1, 1, 1, 0.7), 2)
        if taken:
            draw_frame(x, y, grid.side, grid.side, TAKEN, 4)
        red, green, blue = EXPRESSION_COLOURS[pose.expression]
        colour = (red / 255, green / 255, blue / 255, 1.0 if taken else 0.6)
        share = f" {pose.own:.0%}"
        words = shortened(pose.name, int(grid.side / 7) - len(share)) + share
        draw_words(x, y - 0.8 * LINE * grid.scale, words, grid.scale, colour)


classes = (EXPRGEN_OT_choose_poses,)
