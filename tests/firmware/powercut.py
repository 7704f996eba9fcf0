"""A flash chip in memory whose power can be cut at any write, for programs run by MicroPython."""

POWERCUT = r'''
import gc, os, vfs

class Flash:
    """A block device for littlefs: after `budget` operations that change it, nothing works any more."""
    SIZE = 512

    def __init__(self, blocks=128):
        self.data = bytearray(self.SIZE * blocks)
        self.blocks = blocks
        self.operations = 0
        self.budget = None
        self.gone = False

    def _spend(self):
        self.operations += 1
        if self.budget is not None and self.operations > self.budget:
            # From now on without allocating: a file that the collector closes asks while the heap is locked.
            self.gone = True
            raise OSError(5)

    def alive(self):
        return self.budget is None or self.operations <= self.budget

    def readblocks(self, block, buffer, offset=0):
        if self.gone:
            return -5
        start = block * self.SIZE + offset
        buffer[:] = self.data[start:start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.gone:
            return -5
        start = block * self.SIZE + offset
        try:
            self._spend()
        except OSError:
            # The cut comes in the middle of the write.
            half = len(buffer) // 2
            self.data[start:start + half] = buffer[:half]
            raise
        self.data[start:start + len(buffer)] = buffer

    def ioctl(self, op, arg):
        if self.gone:
            return -5
        if op == 4:
            return self.blocks
        if op == 5:
            return self.SIZE
        if op == 6:
            self._spend()
            return 0

def prepared(prepare, blocks):
    """The content of a flash on which `prepare()` has run."""
    flash = Flash(blocks)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/chip")
    prepare()
    vfs.umount("/chip")
    return flash.data

def run_to_cut(scenario, check, blocks=128, prepare=lambda: None):
    """Run `scenario()` on a flash, on which `prepare()` has run, with the power cut at every operation in turn;
    `check()` after each restart. Returns how many cuts there were."""
    image = prepared(prepare, blocks)
    cut = 0
    while True:
        flash = Flash(blocks)
        flash.data[:] = image
        flash.budget = cut
        fs = vfs.VfsLfs2(flash)
        vfs.mount(fs, "/chip")
        try:
            scenario()
        except OSError:
            if flash.alive():
                raise
        whole = flash.alive()
        # What the collector closes late must not reach the restarted chip: that one is a copy.
        after = Flash(blocks)
        after.data[:] = flash.data
        flash.gone = True
        vfs.umount("/chip")
        gc.collect()
        vfs.mount(vfs.VfsLfs2(after), "/chip")
        try:
            check(cut)
        finally:
            vfs.umount("/chip")
        if whole:
            return cut
        cut += 1
'''
