// Smile's DBSCAN behind the protocol of taxi-mlops.

import java.io.IOException;
import smile.clustering.DBSCAN;

public final class Smile extends Program {
    private double[][] places = new double[0][];
    private double chord;
    private int minSamples;

    private Smile() {}

    public static void main(String[] args) throws IOException {
        new Smile().serve();
    }

    @Override
    String version() {
        return System.getProperty("smile.version");
    }

    @Override
    void prepare(Problem problem) {
        places = problem.chords();
        chord = problem.chord();
        minSamples = problem.minSamples();
    }

    @Override
    Answer fit() {
        // Smile does not count the point itself, and refuses 0.
        DBSCAN<double[]> model = DBSCAN.fit(places, Math.max(minSamples - 1, 1), chord);
        int[] labels = new int[places.length];
        int lone = model.k;
        for (int i = 0; i < labels.length; i++) {
            if (model.y[i] != DBSCAN.OUTLIER) {
                labels[i] = model.y[i];
            } else {
                // With min_samples 1 every point is a core point: those without neighbours are clusters of their own.
                labels[i] = minSamples == 1 ? lone++ : -1;
            }
        }
        return new Answer(labels, null);
    }
}
