// What the page finds in a dropped folder; browsers hand out its entries by the hundred.
async (many) => {
  const file = (path) => ({
    isFile: true,
    fullPath: path,
    file: (resolve) => resolve(new File(["x"], path.split("/").pop())),
  });
  const folder = (path, children) => ({
    isFile: false,
    fullPath: path,
    createReader: () => {
      let given = 0;
      return {
        readEntries: (resolve) => {
          resolve(children.slice(given, given + 100));
          given += 100;
        },
      };
    },
  });
  const good = Array.from({ length: many }, (_, i) => file(`/parts/good/${i}.png`));
  const parts = folder("/parts", [
    folder("/parts/good", good),
    file("/parts/bad.tif"),
    file("/parts/notes.txt"),
    file("/parts/.hidden.png"),
  ]);
  const items = [{ kind: "file", webkitGetAsEntry: () => parts }];
  const { dropped, images, nameOf } = await import(new URL("js/files.js", document.baseURI));
  const found = images(await dropped({ items }));
  return [found.kept.map(({ name }) => name), found.left, nameOf(found.kept)];
};
